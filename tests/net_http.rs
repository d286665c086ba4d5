//! HTTP/1.1 as a whole: any messages, any split; lengths, chunks, limits; errors name the line.

use bot4::net::http::{Error, Limits, Method, Request, RequestReader, Response, ResponseReader};
use proptest::prelude::*;

fn limits() -> Limits {
    Limits { head: 1_000, headers: 10, body: 5_000 }
}

fn responses(bytes: &[u8], pieces: &[usize], closed: bool) -> Result<Vec<Response>, Error> {
    let mut reader = ResponseReader::new(limits());
    let (mut got, mut at) = (Vec::new(), 0);
    for n in pieces.iter().cycle() {
        if at == bytes.len() {
            break;
        }
        let end = (at + n.max(&1)).min(bytes.len());
        reader.receive(&bytes[at..end]);
        at = end;
        while let Some(response) = reader.next_response()? {
            got.push(response);
        }
    }
    if closed && let Some(last) = reader.finish()? {
        got.push(last);
    }
    Ok(got)
}

fn bodies(bytes: &[u8], closed: bool) -> Result<Vec<Vec<u8>>, Error> {
    Ok(responses(bytes, &[7, 1], closed)?.into_iter().map(|response| response.body).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_requests_any_split(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..6),
        pieces in prop::collection::vec(1..200_usize, 1..9),
    ) {
        let methods = [Method::Get, Method::Post, Method::Put, Method::Delete];
        let sent: Vec<Request> = bodies
            .into_iter()
            .enumerate()
            .map(|(i, body)| {
                Request::new(methods[i % 4], "api", &format!("/api/v3/order?n={i}"))
                    .with_header("X-MBX-APIKEY", "k")
                    .with_body(body)
            })
            .collect();
        let mut stream = Vec::new();
        sent.iter().for_each(|request| request.write(&mut stream));
        let mut reader = RequestReader::new(limits());
        let (mut got, mut at) = (Vec::new(), 0);
        for n in pieces.iter().cycle() {
            if at == stream.len() {
                break;
            }
            let end = (at + n).min(stream.len());
            reader.receive(&stream[at..end]);
            at = end;
            while let Some(mut request) = reader.next_request().expect("well-formed") {
                request.headers.0.retain(|(name, _)| name != "Content-Length");
                prop_assert!(request.keep_alive());
                got.push(request);
            }
        }
        prop_assert!(got == sent);
    }

    /// Content-Length and chunks of any size carry the same body.
    #[test]
    fn chunked_equals_plain(
        body in prop::collection::vec(any::<u8>(), 0..2_000),
        chunk in 1..500_usize,
        pieces in prop::collection::vec(1..200_usize, 1..9),
    ) {
        let mut plain = Vec::new();
        Response::new(200, "OK", body.clone()).write(&mut plain);
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in body.chunks(chunk) {
            chunked.extend(format!("{:X};ext=1\r\n", part.len()).bytes());
            chunked.extend(part);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\nTrailer: t\r\n\r\n");
        let stream = [plain, chunked].concat();
        let got = responses(&stream, &pieces, true).expect("well-formed");
        prop_assert_eq!(got.len(), 2);
        prop_assert!(got.iter().all(|response| response.body == body));
    }

    #[test]
    fn mutated_bytes_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        piece in 1..50_usize,
    ) {
        let mut stream =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n".to_vec();
        Response::new(418, "Teapot", "x").with_header("Retry-After", "3").write(&mut stream);
        for (at, value) in flips {
            let at = at.index(stream.len());
            stream[at] ^= value;
        }
        let _ = responses(&stream, &[piece], true);
    }
}

/// The comparison above catches a chunk that lost a byte.
#[test]
fn canary_lost_byte_is_caught() {
    let torn = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc\r\n0\r\n\r\n";
    assert!(bodies(torn, true).is_err());
}

#[test]
fn bodies_without_a_length() {
    let until_close = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it";
    assert_eq!(bodies(until_close, false), Ok(vec![]));
    assert_eq!(bodies(until_close, true), Ok(vec![b"all of it".to_vec()]));
    let none = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\
                 Content-Length: 2\r\n\r\nok";
    assert_eq!(bodies(none, true), Ok(vec![vec![], b"ok".to_vec()]));
}

#[test]
fn what_is_wrong_is_named() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(2_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(11));
    let cases: &[(&str, &str)] = &[
        ("ICY 200 OK\r\n\r\n", "HTTP line 1: the answer is not HTTP/1.1: \"ICY 200 OK\""),
        ("HTTP/1.1 20 OK\r\n\r\n", "HTTP line 1: the status is no number"),
        ("HTTP/1.1 200 OK\r\nA: b\r\nbroken\r\n\r\n", "HTTP line 3: a header field needs a colon"),
        (
            "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
            "HTTP line 2: a header name is empty or holds a blank",
        ),
        (
            "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
            "HTTP line 2: control character or bare line feed",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length: \"-1\" is no length"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
            "body of 9999 bytes is longer than 5000",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "Content-Length: given twice",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Transfer-Encoding: given together",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "only chunked is understood"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxy\r\n",
            "no hexadecimal number: \"xy\"",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", "longer than 5000"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "closed inside a message, 2 bytes"),
        (&long, "head is longer than 1000 bytes"),
        (&many, "more than 10 header fields"),
    ];
    for (text, words) in cases {
        let error = bodies(text.as_bytes(), true).expect_err(words);
        assert!(error.to_string().contains(words), "{error} lacks {words}");
    }
}

/// A value with line breaks cannot add a header or a request.
#[test]
fn header_values_cannot_smuggle() {
    let mut out = Vec::new();
    let evil = "a\r\nEvil: yes\r\n\r\nGET /";
    Request::new(Method::Get, "h", "/").with_header("X", evil).write(&mut out);
    let mut reader = RequestReader::new(limits());
    reader.receive(&out);
    let request = reader.next_request().expect("well-formed").expect("whole");
    assert_eq!(request.headers.get("evil"), None);
    assert_eq!(reader.next_request(), Ok(None));
}

/// Found by fuzzing: what is refused, and how, must not hang on how the network cut the bytes.
#[test]
fn a_refusal_is_the_same_whole_and_in_pieces() {
    let chunk = |line: usize| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        format!("{head}1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(line - 2)).into_bytes()
    };
    let open_body = format!("HTTP/1.0 200 OK\r\n\r\n{}", "b".repeat(limits().body + 100));
    for (bytes, good) in [
        (chunk(1_024), true),
        (chunk(1_025), false),
        (chunk(3_000), false),
        (open_body.into_bytes(), false),
    ] {
        let whole = responses(&bytes, &[bytes.len()], true);
        assert_eq!(whole.is_ok(), good, "{whole:?}");
        for pieces in [&[1][..], &[2, 3, 5], &[1_000]] {
            assert_eq!(responses(&bytes, pieces, true), whole);
        }
    }
}
