//! The PROXY protocol, versions 1 and 2: a balancer says, before anything else, for whom it speaks.
//!
//! Reads the header and not one byte more: what follows may be a TLS handshake.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of a header of version 1 at most, with its end.
const LINE_MAX: usize = 107;

/// The address behind the balancer; `None` when it speaks for itself (a health check).
pub(crate) async fn header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut head = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut head).await?;
    if head == SIGNATURE {
        return binary(stream).await;
    }
    while !head.ends_with(b"\n") {
        if head.len() >= LINE_MAX || !head.starts_with(b"PROXY ") {
            return Err(wrong());
        }
        head.push(stream.read_u8().await?);
    }
    line(&head)
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "there is no PROXY header")
}

fn line(head: &[u8]) -> io::Result<Option<IpAddr>> {
    let text = std::str::from_utf8(head).ok().and_then(|text| text.strip_suffix("\r\n")).ok_or_else(wrong)?;
    let mut words = text.split(' ').skip(1);
    match words.next() {
        Some("UNKNOWN") => Ok(None),
        Some("TCP4" | "TCP6") => words.next().and_then(|word| word.parse().ok()).map(Some).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

async fn binary(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let (version, family, length) = (stream.read_u8().await?, stream.read_u8().await?, stream.read_u16().await?);
    // At most 64 KiB; addresses first, additions behind them.
    let mut rest = vec![0; usize::from(length)];
    stream.read_exact(&mut rest).await?;
    match (version, family >> 4) {
        (0x20, _) | (0x21, 0 | 3) => Ok(None),
        (0x21, 1) => rest.first_chunk::<4>().map(|a| Some(IpAddr::V4(Ipv4Addr::from(*a)))).ok_or_else(wrong),
        (0x21, 2) => rest.first_chunk::<16>().map(|a| Some(IpAddr::V6(Ipv6Addr::from(*a)))).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> (Option<Option<IpAddr>>, Vec<u8>) {
        let mut stream = bytes;
        (header(&mut stream).await.ok(), stream.to_vec())
    }

    #[tokio::test]
    async fn both_versions_and_not_a_byte_more() {
        let four = Some(Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(read(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 514\r\n<13>x").await, (four, b"<13>x".to_vec()));
        assert_eq!(read(b"PROXY TCP6 2001:db8::1 ::1 5 6\r\n").await.0, Some(Some("2001:db8::1".parse().expect("is one"))));
        assert_eq!(read(b"PROXY UNKNOWN\r\nrest").await, (Some(None), b"rest".to_vec()));
        let binary =
            |version: u8, family: u8, rest: &[u8]| [&SIGNATURE[..], &[version, family, 0, rest.len() as u8], rest, b"rest"].concat();
        assert_eq!(read(&binary(0x21, 0x11, &[192, 0, 2, 7, 1, 1, 1, 1, 0, 1, 0, 2, 9, 9])).await, (four, b"rest".to_vec()));
        let six: [u8; 36] = std::array::from_fn(|at| if at == 15 { 1 } else { 0 });
        assert_eq!(read(&binary(0x21, 0x21, &six)).await.0, Some(Some(IpAddr::V6(Ipv6Addr::LOCALHOST))));
        assert_eq!(read(&binary(0x20, 0, b"")).await, (Some(None), b"rest".to_vec()));
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for bytes in [
            &b"<13>Mar  1 00:00:00 host app: x\n"[..],
            b"PROXY TCP4 nowhere 1 2 3\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 514\n",
            b"PROXY SCTP 1 2\r\nxxxxxxxx",
            &[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
            b"PROXY",
            b"",
            &[&SIGNATURE[..], &[0x21, 0x11, 0, 2, 1, 1]].concat(),
            &[&SIGNATURE[..], &[0x31, 0x11, 0, 0]].concat(),
            &[&SIGNATURE[..], &[0x21, 0x11, 255, 255, 1]].concat(),
        ] {
            assert_eq!(read(bytes).await.0, None, "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
