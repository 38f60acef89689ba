// gRPC for C++ in its default settings, against the daemon at the target given. The last line says
// how many checks passed.

#include <chrono>
#include <iostream>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "expd/v1/network.grpc.pb.h"

using expd::v1::BroadcastRequest;
using expd::v1::BroadcastResponse;
using expd::v1::ListenEvent;
using expd::v1::ListenRequest;
using expd::v1::Network;
using expd::v1::Subscription;

namespace {

constexpr int kMany = 200;
constexpr size_t kLarge = 10'000'000;

int passed = 0;
int failed = 0;

void Check(const std::string& what, bool holds, const std::string& seen = "") {
  if (holds) {
    ++passed;
    std::cout << "ok   " << what << "\n";
  } else {
    ++failed;
    std::cout << "FAIL " << what << " " << seen << "\n";
  }
}

std::chrono::system_clock::time_point In(int milliseconds) {
  return std::chrono::system_clock::now() + std::chrono::milliseconds(milliseconds);
}

ListenRequest Channel() {
  ListenRequest request;
  request.mutable_channel()->set_name("cpp");
  return request;
}

grpc::Status Broadcast(Network::Stub& network, const std::string& name, const std::string& json) {
  grpc::ClientContext context;
  context.set_deadline(In(20'000));
  BroadcastRequest request;
  request.mutable_channel()->set_name("cpp");
  request.set_name(name);
  request.mutable_payload()->set_json(json);
  BroadcastResponse response;
  return network.Broadcast(&context, request, &response);
}

// The next broadcast's payload; empty at the stream's end.
std::string Heard(grpc::ClientReader<ListenEvent>& stream) {
  ListenEvent event;
  while (stream.Read(&event)) {
    if (event.has_broadcast()) return event.broadcast().payload().json();
  }
  return "";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  grpc::ChannelArguments arguments;
  // Not of the connection: what one message may take, which is 4 MB where nothing is said.
  arguments.SetMaxReceiveMessageSize(32 << 20);
  auto network = Network::NewStub(grpc::CreateCustomChannel(argv[1], grpc::InsecureChannelCredentials(), arguments));

  grpc::ClientContext listening;
  listening.set_deadline(In(40'000));
  auto stream = network->Listen(&listening, Channel());
  ListenEvent event;
  bool confirmed = false;
  while (!confirmed && stream->Read(&event)) {
    confirmed = event.has_subscription() && event.subscription().state() == Subscription::CONFIRMED;
  }
  Check("a stream is confirmed", confirmed);

  bool in_order = true;
  for (int n = 0; n < kMany; ++n) {
    const auto sent = Broadcast(*network, "many", std::to_string(n));
    in_order = in_order && sent.ok() && Heard(*stream) == std::to_string(n);
  }
  Check("many calls, heard in order", in_order);

  const std::string large = "\"" + std::string(kLarge, 'x') + "\"";
  const auto sent = Broadcast(*network, "large", large);
  Check("10 MB are sent", sent.ok(), sent.error_message());
  Check("10 MB are heard", Heard(*stream) == large);

  listening.TryCancel();
  while (stream->Read(&event)) {
  }
  const auto cancelled = stream->Finish();
  Check("cancelled", cancelled.error_code() == grpc::CANCELLED, cancelled.error_message());

  grpc::ClientContext short_lived;
  short_lived.set_deadline(In(300));
  auto until = network->Listen(&short_lived, Channel());
  while (until->Read(&event)) {
  }
  const auto over = until->Finish();
  Check("a deadline ends a stream", over.error_code() == grpc::DEADLINE_EXCEEDED, over.error_message());

  const auto refused = Broadcast(*network, "", "1");
  Check("a refusal says why", refused.error_code() == grpc::INVALID_ARGUMENT && !refused.error_message().empty(),
        refused.error_message());

  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
