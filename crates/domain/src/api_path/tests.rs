use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

fn class(path: &str) -> Result<PathClass, String> {
    ApiPath::parse(path)
        .map(|path| path.class())
        .map_err(|error| error.to_string())
}

#[test]
fn a_path_reaches_what_its_first_segment_below_api_says() {
    for (path, reached) in [
        ("/api/devices", PathClass::Resources),
        ("/api/", PathClass::Resources),
        ("/api/authors", PathClass::Resources),
        ("/api/data/auth/networks", PathClass::Resources),
        ("/api/devices?x=/api/auth/../..", PathClass::Resources),
        ("/api/%64evices", PathClass::Resources),
        ("/api//devices", PathClass::Resources),
        (
            "/api/networks/current/broadcasts?timeout=1",
            PathClass::Network,
        ),
        ("/api/networks//current", PathClass::Network),
        ("/api/auth/token", PathClass::Logins),
        ("/api/auth", PathClass::Logins),
    ] {
        assert_eq!(class(path), Ok(reached), "{path}");
    }
}

#[test]
fn paths_of_logins_are_for_no_app() {
    for path in ["/api/auth/token", "/api/auth/login?x", "/api/auth"] {
        let refused = ApiPath::parse(path).unwrap().check_for_apps().unwrap_err();
        assert!(
            refused.to_string().contains("the daemon's own"),
            "{refused}"
        );
    }
    for path in [
        "/api/networks/current/broadcasts",
        "/api/authors",
        "/api/data/auth/x",
    ] {
        assert_eq!(ApiPath::parse(path).unwrap().check_for_apps(), Ok(()));
    }
}

#[test]
fn what_is_encoded_within_a_segment_stays_as_it_is() {
    for path in [
        "/api/data/group/key%2Fwith%2Fslashes",
        "/api/data/group/a%3Bb;c",
        "/api/data/group/100%25",
        "/api/data/group/%252F",
        "/api/data/group/k..ey",
        "/api/data/group/...",
        "/api/data/gr%C3%BC%C3%9Fe/a+b:c@d!$&'()*,=~",
    ] {
        let parsed = ApiPath::parse(path).unwrap();
        assert_eq!((parsed.as_str(), parsed.query()), (path, None));
    }
    let parsed = ApiPath::parse("/api/data/grüße/a b?q=a b").unwrap();
    assert_eq!(parsed.as_str(), "/api/data/gr%C3%BC%C3%9Fe/a%20b");
    assert_eq!(parsed.query(), Some("q=a b"));
}

#[test]
fn what_servers_may_read_in_different_ways_is_refused_with_a_reason() {
    for (path, reason) in [
        ("", "does not start"),
        ("/api", "does not start"),
        ("/API/devices", "does not start"),
        ("//api/devices", "does not start"),
        ("/api;x/auth/token", "does not start"),
        ("/%61pi/auth/token", "does not start"),
        ("/api/../auth", "a . or .. segment"),
        ("/api/%2e%2fauth/token", "a . or .. segment"),
        ("/api/./auth/token", "a . or .. segment"),
        ("/api/x/%2e%2e/auth/token", "a . or .. segment"),
        ("/api/x/.%2E;y/auth/token", "a . or .. segment"),
        ("/api/x%2f%252e%252e%2fauth", "a . or .. segment"),
        ("/api/x/..%20/auth", "a . or .. segment"),
        ("/api/AUTH/token", "is ambiguous"),
        ("/api/Networks/current", "is ambiguous"),
        ("/api//auth/token", "is ambiguous"),
        ("/api/;/auth/token", "is ambiguous"),
        ("/api/%20/auth/token", "is ambiguous"),
        ("/api/auth;x/token", "is ambiguous"),
        ("/api/auth%3bx/token", "is ambiguous"),
        ("/api/auth%253bx/token", "is ambiguous"),
        ("/api/auth./token", "is ambiguous"),
        ("/api/auth%2ftoken", "is ambiguous"),
        ("/api/%61uth/token", "is ambiguous"),
        ("/api/%2561uth/token", "is ambiguous"),
        ("/api/net%77orks/current", "is ambiguous"),
        ("/api/networks%2fcurrent", "is ambiguous"),
        ("/api/au\u{17f}th", "is ambiguous"),
        ("/api/%5cauth", "is ambiguous"),
        ("/api/%3b%5cx/auth", "is ambiguous"),
        ("/api/\\auth", "backslash"),
        ("/api/x\t/y", "control"),
        ("/api/x%00", "control"),
        ("/api/x%2500", "control"),
        ("/api/x%C2%85", "control"),
        ("/api/devices#1", "%23"),
        ("/api/100%", "%25"),
        ("/api/%u0061uth", "%25"),
        ("/api/%c0%ae%c0%ae/auth", "UTF-8"),
        ("/api/x/%2525252525", "more than"),
    ] {
        let refused = class(path).unwrap_err();
        assert!(refused.contains(reason), "{path}: {refused}");
    }
    let long = format!("/api/{}", "x".repeat(MAX_PATH_BYTES));
    let refused = class(&long).unwrap_err();
    assert!(
        refused.contains("8197 bytes") && refused.len() < 256,
        "{refused}"
    );
}

/// The class that one server reads, computed independently of the code above.
fn read_by_a_server(path: &str, decodings: usize, way: usize) -> PathClass {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..decodings {
        bytes = percent_encoding::percent_decode(&bytes).collect();
    }
    let (cut, merge, fold) = (way & 1 != 0, way & 2 != 0, way & 4 != 0);
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if way & 8 != 0 {
        text = text.replace('\\', "/");
    }
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split('/').skip(1) {
        let segment = if cut {
            segment.split(';').next().unwrap()
        } else {
            segment
        };
        match segment {
            ".." => drop(segments.pop()),
            "." => {}
            "" if merge => {}
            _ if fold => segments.push(segment.to_lowercase()),
            _ => segments.push(segment.to_owned()),
        }
    }
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    match words[..] {
        ["api", "auth", ..] => PathClass::Logins,
        ["api", "networks", ..] => PathClass::Network,
        _ => PathClass::Resources,
    }
}

#[test]
fn every_server_reads_an_accepted_path_alike() {
    let pieces = [
        "auth", "networks", "AUTH", "a", "u", "th", "x", "api", "/", "//", ".", "..", "%2e",
        "%2E%2e", "%252e", "%2f", "%5c", "\\", ";", "%3b", "%253b", "%61", "%2561", "%25", "%00",
        "%20", " ", "ſ", "?", "token", "current", "é", "%C3%A9",
    ];
    let mut random = rand::rngs::StdRng::seed_from_u64(6);
    let mut accepted = [0; 3];
    for _ in 0..20_000 {
        let mut path = "/api/".to_owned();
        for _ in 0..random.random_range(0..7) {
            path.push_str(pieces.choose(&mut random).unwrap());
        }
        let Ok(parsed) = ApiPath::parse(&path) else {
            continue;
        };
        accepted[parsed.class() as usize] += 1;
        for decodings in 0..5 {
            for way in 0..16 {
                let read = read_by_a_server(parsed.as_str(), decodings, way);
                assert_eq!(read, parsed.class(), "{path} {decodings} {way}");
            }
        }
    }
    assert!(accepted.iter().all(|count| *count > 100), "{accepted:?}");
}

#[test]
fn the_path_of_content_is_encoded_and_that_of_a_request_is_not() {
    for (text, path) in [
        ("/menus/lunch.png", "/api/delivery/menus/lunch.png"),
        ("/a b/50%.png", "/api/delivery/a%20b/50%25.png"),
        ("/café/q?x#y;z", "/api/delivery/caf%C3%A9/q%3Fx%23y%3Bz"),
        ("/a%2Fb", "/api/delivery/a%252Fb"),
        ("/api/delivery/a%20b", "/api/delivery/a%20b"),
    ] {
        assert_eq!(ApiPath::of_content(text).unwrap().as_str(), path);
    }
    for text in [
        "",
        "menus/lunch.png",
        "/a/../b",
        "/a\nb",
        "/..",
        "https://x/y",
    ] {
        assert!(ApiPath::of_content(text).is_err(), "{text}");
    }
}
