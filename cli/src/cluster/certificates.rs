//! Certificates: making them, and reading when they end.

use std::net::IpAddr;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::parse_x509_pem;

/// How long a CA is good. With it, everything in the cluster that trusts it would have to be given another one.
const CA_YEARS: i16 = 10;

/// How long a host's certificate is good unless it is renewed.
const HOST_DAYS: i32 = 397;

/// Why a certificate can't be made or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// It can't be made.
    #[error("a certificate for {subject} cannot be made")]
    Make {
        /// For whom.
        subject: String,
        /// What is wrong.
        #[source]
        source: rcgen::Error,
    },
    /// It can't be read.
    #[error("{file} holds no certificate")]
    Read {
        /// The file.
        file: String,
    },
}

/// A certificate and its private key, in PEM.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The certificate.
    pub(crate) cert: String,
    /// The key.
    pub(crate) key: String,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The names and addresses that it is for.
    pub(crate) names: Vec<String>,
    /// When it ends.
    pub(crate) ends: Timestamp,
}

/// Makes a cluster's CA.
pub(crate) fn authority(name: &str, now: Timestamp) -> Result<Pair, CertificateError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    limit(&mut params, today, today.saturating_add(CA_YEARS.years()));
    let make = || -> Result<Pair, rcgen::Error> {
        let key = KeyPair::generate()?;
        let cert = params.self_signed(&key)?.pem();
        Ok(Pair {
            cert,
            key: key.serialize_pem(),
        })
    };
    make().map_err(|source| CertificateError::Make {
        subject: name.to_owned(),
        source,
    })
}

/// Makes a certificate for a host: its services show it to clients, and to each other as clients.
pub(crate) fn for_host(
    authority: &Pair,
    host: &str,
    names: &[String],
    now: Timestamp,
) -> Result<Pair, CertificateError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let make = || -> Result<Pair, rcgen::Error> {
        let issuer = Issuer::from_ca_cert_pem(&authority.cert, KeyPair::from_pem(&authority.key)?)?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = subject(host);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        limit(&mut params, today, today.saturating_add(HOST_DAYS.days()));
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &issuer)?.pem();
        Ok(Pair {
            cert,
            key: key.serialize_pem(),
        })
    };
    make().map_err(|source| CertificateError::Make {
        subject: host.to_owned(),
        source,
    })
}

fn subject(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "rbee");
    subject.push(DnType::CommonName, name);
    subject
}

/// From the day before, for hosts whose clocks are behind.
fn limit(params: &mut CertificateParams, today: Date, end: Date) {
    let day = |date: Date| {
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = day(today.saturating_sub(1.days()));
    params.not_after = day(end);
}

/// Reads what a certificate says of itself.
pub(crate) fn read(file: &str, pem: &str) -> Result<Facts, CertificateError> {
    let unreadable = || CertificateError::Read {
        file: file.to_owned(),
    };
    let (_, pem) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable())?;
    let certificate = pem.parse_x509().map_err(|_| unreadable())?;
    let ends = Timestamp::from_second(certificate.validity().not_after.timestamp());
    let named = certificate.subject_alternative_name().map_err(|_| unreadable())?;
    let names = named.iter().flat_map(|extension| &extension.value.general_names);
    Ok(Facts {
        names: names.filter_map(name).collect(),
        ends: ends.map_err(|_| unreadable())?,
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address: IpAddr = match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok()?.into(),
                _ => <[u8; 16]>::try_from(*bytes).ok()?.into(),
            };
            Some(address.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_for_whom_it_is_and_how_long() {
        let now: Timestamp = "2026-11-23T20:00:00Z".parse().unwrap();
        let authority = authority("rbee cluster 1", now).unwrap();
        let names = ["desk", "192.168.1.5", "fd00::5"].map(str::to_owned);
        let host = for_host(&authority, "desk", &names, now).unwrap();
        let facts = read("cert.pem", &host.cert).unwrap();
        assert_eq!(facts.names, names);
        assert_eq!(facts.ends, "2027-12-25T00:00:00Z".parse().unwrap());
        let ca = read("ca.pem", &authority.cert).unwrap();
        assert_eq!(ca.ends, "2036-11-23T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_is_no_name_or_no_certificate_is_refused() {
        let now = Timestamp::now();
        let authority = authority("rbee cluster 1", now).unwrap();
        for_host(&authority, "x", &["späße".to_owned()], now).unwrap_err();
        read("x.pem", "nothing").unwrap_err();
        read("x.pem", &authority.key).unwrap_err();
    }
}
