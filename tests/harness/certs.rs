//! Certificates for the brokers and clients of one cluster, made when it starts.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// A certificate authority, what it signed, and a second authority that nobody trusts. All PEM.
#[derive(Clone, Debug)]
pub struct Certificates {
    folder: PathBuf,
    /// The authority's certificate.
    pub ca: String,
    /// Of the brokers: for `localhost` and `127.0.0.1`.
    pub broker: Identity,
    /// Of a client; its principal is `User:CN=portage-client`.
    pub client: Identity,
    /// A certificate of another authority, which signed nothing that is in use.
    pub stranger_ca: String,
    /// A client of that other authority.
    pub stranger: Identity,
}

/// A private key (PKCS#8) and its certificate, PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate chain.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// The principal of [`Certificates::client`], as ACLs name it.
pub const CLIENT_PRINCIPAL: &str = "User:CN=portage-client";

impl Certificates {
    /// Makes them, and writes them into `folder` as `ca.pem`, `broker.pem`, `client.pem`, `stranger-ca.pem` and
    /// `stranger.pem`; the ones with a key hold the key, then the chain, as Kafka wants a PEM keystore.
    pub fn write_into(folder: &Path) -> Self {
        let made = Self::make(folder).unwrap_or_else(|e| panic!("cannot make certificates: {e}"));
        let files = [
            ("ca.pem", made.ca.clone()),
            ("broker.pem", made.broker.pem()),
            ("client.pem", made.client.pem()),
            ("stranger-ca.pem", made.stranger_ca.clone()),
            ("stranger.pem", made.stranger.pem()),
        ];
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
        }
        made
    }

    /// The path of one of the files, as in `path("ca.pem")`.
    pub fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    fn make(folder: &Path) -> Result<Self, rcgen::Error> {
        let (ca, issuer) = authority("specs authority")?;
        let (stranger_ca, stranger_issuer) = authority("another authority")?;
        Ok(Self {
            folder: folder.to_owned(),
            broker: identity("localhost", &["localhost", "127.0.0.1"], &ca, &issuer)?,
            client: identity("portage-client", &[], &ca, &issuer)?,
            stranger: identity("stranger", &[], &stranger_ca, &stranger_issuer)?,
            ca,
            stranger_ca,
        })
    }
}

impl Identity {
    /// The key, then the chain.
    pub fn pem(&self) -> String {
        format!("{}{}", self.key, self.certificate)
    }
}

fn authority(name: &str) -> Result<(String, Issuer<'static, KeyPair>), rcgen::Error> {
    let mut params = named(name, &[])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Issuer::new(params, key)))
}

fn identity(name: &str, hosts: &[&str], ca: &str, issuer: &Issuer<'_, KeyPair>) -> Result<Identity, rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = named(name, hosts)?.signed_by(&key, issuer)?;
    Ok(Identity { certificate: format!("{}{ca}", certificate.pem()), key: key.serialize_pem() })
}

fn named(name: &str, hosts: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
