//! Apps that may send requests and no more, and paths that a server on the way may read as another.

use expd_proto::api_client::ApiClient;
use expd_proto::{ApiRequest, ApiResponse};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::attacked_daemon::daemon_of;
use crate::recorder::{Recorder, allowed};
use expd_test_support::DEADLINE;
use expd_test_support::http2::{channel_as, own_uid};
use expd_test_support::process::Home;

/// Settings for an instance at a path of the recorder's, and a rule for this user where it may not
/// do everything.
fn settings(recorder: &Recorder, own_path: &str, allow: &str) -> String {
    recorder.instance(own_path) + &allowed(allow)
}

async fn get(api: &mut ApiClient<Channel>, path: &str) -> Result<ApiResponse, Status> {
    let request = ApiRequest {
        method: "GET".to_owned(),
        path: path.to_owned(),
        ..ApiRequest::default()
    };
    let answer = tokio::time::timeout(DEADLINE, api.request(request)).await;
    answer.unwrap().map(tonic::Response::into_inner)
}

/// With what can be read as a login, out of the API, or as a broadcast.
const TRICKS: [&str; 37] = [
    "/api/%2e%2fauth/token",
    "/api/%2e/auth/token",
    "/api/./auth/token",
    "/api/x/../auth/token",
    "/api/x/%2e%2e/auth/token",
    "/api/x/%2E./auth/token",
    "/api/x%2f..%2fauth/token",
    "/api/x%2f%2e%2e%2fauth/token",
    "/api/x%252f%252e%252e%252fauth/token",
    "/api/%3b%5cx/auth/token",
    "/api/x/..;/auth/token",
    "/api/x/..%3b/auth/token",
    "/api/x/..;a=b/auth/token",
    "/api/auth;a=b/token",
    "/api/auth%3Ba/token",
    "/api/;/auth/token",
    "/api//auth/token",
    "/api/%2fauth/token",
    "/api/%5cauth/token",
    "/api/\\auth/token",
    "/api\\auth\\token",
    "/api/x\\..\\auth/token",
    "/api/AUTH/token",
    "/api/aUth/token",
    "/api/%61uth/token",
    "/api/%2561uth/token",
    "/api/auth%2ftoken",
    "/api/auth%00/token",
    "/api/auth%20/token",
    "/api/auth./token",
    "/api/a\tuth/token",
    "/api/../socket.io/",
    "/api/x/../../../socket.io/",
    "/api/%2e%2e/%2e%2e/admin",
    "/api/x%2f..%2f..%2f..%2fadmin",
    "/api/Networks/current/broadcasts",
    "/api/net%77orks/current/broadcasts",
];

#[tokio::test]
async fn no_spelling_of_a_path_reaches_what_the_rules_keep_from_it() {
    let recorder = Recorder::start(|_| None).await;
    for own_path in ["", "/exp", "/a/b/"] {
        for allow in ["\"request\"", ""] {
            let home = Home::new(&settings(&recorder, own_path, allow));
            let _daemon = daemon_of(&home);
            let mut api = ApiClient::new(channel_as(&home.socket(), own_uid()).await);
            get(&mut api, "/api/devices").await.unwrap();
            assert_eq!(recorder.taken().len(), 1);
            for path in TRICKS {
                let refused = get(&mut api, path).await.unwrap_err();
                assert_eq!(refused.code(), Code::InvalidArgument, "{path}: {refused:?}");
            }
            let login = get(&mut api, "/api/auth/token").await.unwrap_err();
            let broadcast = get(&mut api, "/api/networks/current/status").await;
            // With rules as without: no right helps there.
            assert_eq!(login.code(), Code::InvalidArgument, "{login:?}");
            assert!(login.message().contains("the daemon's own"), "{login:?}");
            if allow.is_empty() {
                broadcast.unwrap();
                assert_eq!(recorder.taken().len(), 1);
            } else {
                let broadcast = broadcast.unwrap_err();
                assert_eq!(broadcast.code(), Code::PermissionDenied, "{broadcast:?}");
                assert_eq!(recorder.taken(), [""; 0]);
            }
        }
    }
}

#[tokio::test]
async fn a_path_arrives_below_the_hosts_own_to_the_letter() {
    let recorder = Recorder::start(|_| None).await;
    for own_path in ["", "/exp"] {
        let home = Home::new(&settings(&recorder, own_path, "\"request\""));
        let _daemon = daemon_of(&home);
        let mut api = ApiClient::new(channel_as(&home.socket(), own_uid()).await);
        for path in [
            "/api/data/GROUP/key%2Fwith%2Fslashes",
            "/api/data/GROUP/a%3Bb;c=d",
            "/api/data/GROUP/100%25",
            "/api/data/GROUP/%252F",
            "/api/data/GROUP/k..ey",
            "/api/data/auth/networks",
            "/api/data//GROUP",
            "/api/devices?where=a%2Fb&x=../..",
            "/api/data/gr%c3%bcn/a+b:c@d!$&()*,=~",
        ] {
            get(&mut api, path).await.unwrap();
            assert_eq!(recorder.taken(), [format!("{own_path}{path}")]);
        }
        get(&mut api, "/api/data/grün/a b").await.unwrap();
        assert_eq!(
            recorder.taken(),
            [format!("{own_path}/api/data/gr%C3%BCn/a%20b")]
        );
    }
}

/// A target as nginx reads it: decoded once, slashes merged, dot segments resolved.
fn normalized(target: &str) -> String {
    let decoded = percent_encoding::percent_decode_str(target);
    let decoded = decoded.decode_utf8_lossy();
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

#[tokio::test]
async fn no_path_of_random_pieces_reaches_a_login_behind_a_proxy_that_normalizes() {
    let recorder = Recorder::start(|_| None).await;
    let home = Home::new(&settings(&recorder, "/exp", "\"request\""));
    let _daemon = daemon_of(&home);
    let mut api = ApiClient::new(channel_as(&home.socket(), own_uid()).await);
    let pieces = [
        "auth", "token", "api", "exp", "x", "/", "/", "..", ".", "%2e", "%2F", "%5C", ";", "%3b",
        "%25", "%2561uth", "AUTH", "?",
    ];
    let mut random = rand::rngs::StdRng::seed_from_u64(11);
    for _ in 0..3000 {
        let mut path = "/api/".to_owned();
        for _ in 0..random.random_range(1..8) {
            path.push_str(pieces.choose(&mut random).unwrap());
        }
        // A refusal is as good as what is checked below.
        let _answered = get(&mut api, &path).await;
    }
    let taken = recorder.taken();
    assert!(taken.len() > 300, "{} were sent", taken.len());
    for target in taken {
        let path = target.split('?').next().unwrap();
        let read = normalized(path).to_lowercase();
        let below = read
            .strip_prefix("/exp/api")
            .map(|below| format!("{below}/"));
        assert!(
            below.is_some_and(|below| !below.starts_with("/auth/")),
            "{target} is {read}"
        );
    }
}
