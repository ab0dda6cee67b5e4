//! Certificates and keys as Kafka's users have them: PEM in files or written into the configuration,
//! PKCS#12 stores, encrypted keys. What counts is the content, not `ssl.*.type`. A JKS store is
//! answered with the command that converts it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use p12_keystore::{KeyStore, Pkcs12Archive, Pkcs12ImportPolicy};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use crate::config::security::{Keys, Material};
use crate::config::{ConfigError, Secret};

/// The largest store that is read. Java's own list of public roots has 0.2 MB.
const STORE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Our certificate, those of its issuers, and its key.
pub(super) struct Identity {
    pub(super) config_key: &'static str,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl Material {
    /// The configuration key it comes from.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Material::File { key, .. } | Material::Inline { key, .. } => key,
        }
    }

    /// The path, or nothing that could be a secret.
    pub(super) fn name(&self) -> &str {
        match self {
            Material::File { path, .. } => path,
            Material::Inline { .. } => "[hidden]",
        }
    }

    fn invalid(&self, reason: impl Into<String>) -> ConfigError {
        ConfigError::invalid(self.key(), self.name(), reason)
    }

    fn read(&self) -> Result<Content, ConfigError> {
        let bytes = match self {
            Material::Inline { pem, .. } => return Ok(Content::Pem(pem_blocks(pem.expose()))),
            Material::File { path, .. } => {
                let size = std::fs::metadata(path).map_err(|error| self.invalid(error.to_string()))?.len();
                if size > STORE_BYTES_MAX {
                    return Err(self.invalid(format!("{size} bytes are too many for certificates")));
                }
                std::fs::read(path).map_err(|error| self.invalid(error.to_string()))?
            }
        };
        match bytes.as_slice() {
            [0xfe, 0xed, 0xfe, 0xed, ..] => Err(self.invalid(convert("JKS", self.name()))),
            [0xce, 0xce, 0xce, 0xce, ..] => Err(self.invalid(convert("JCEKS", self.name()))),
            [0x30, ..] => Ok(Content::Pkcs12(bytes)),
            _ => {
                let text = String::from_utf8(bytes).map_err(|_| self.invalid("it is neither PEM nor PKCS12"))?;
                Ok(Content::Pem(pem_blocks(&text)))
            }
        }
    }

    fn password(&self) -> &str {
        match self {
            Material::File { password: Some(password), .. } => password.expose(),
            _ => "",
        }
    }
}

enum Content {
    Pem(Vec<Block>),
    Pkcs12(Vec<u8>),
}

/// What stands between a `BEGIN` and its `END`.
struct Block {
    label: String,
    /// `None` if it is not base64, which is so for a key encrypted the old way (with header lines).
    der: Option<Vec<u8>>,
}

fn convert(format: &str, path: &str) -> String {
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    format!(
        "{format} stores cannot be read; convert it with: keytool -importkeystore -srckeystore {path} \
         -srcstoretype {format} -destkeystore {stem}.p12 -deststoretype PKCS12"
    )
}

/// The certificates to trust.
pub(super) fn trusted(material: &Material) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    match material.read()? {
        Content::Pem(blocks) => certificates(material, blocks.iter()),
        Content::Pkcs12(bytes) => {
            let archive = Pkcs12Archive::from_pkcs12(&bytes, material.password())
                .map_err(|error| material.invalid(unreadable_pkcs12(&error)))?;
            // Java trusts the entries that it marked itself; a store made by openssl has no such marks.
            let marked = archive.certs.iter().any(|bag| bag.trusted);
            let wanted = archive.certs.iter().filter(|bag| bag.trusted || (!marked && archive.keys.is_empty()));
            Ok(wanted.map(|bag| CertificateDer::from(bag.cert.as_der().to_vec())).collect())
        }
    }
}

/// Our own certificate and key.
pub(super) fn identity(keys: &Keys) -> Result<Identity, ConfigError> {
    match keys {
        Keys::Pem { chain, key, key_password } => {
            let (Content::Pem(certs), Content::Pem(blocks)) = (chain.read()?, key.read()?) else {
                return Err(key.invalid("must be PEM"));
            };
            let chain = certificates(chain, certs.iter())?;
            Ok(Identity { config_key: key.key(), chain, key: private_key(key, &blocks, key_password.as_ref())? })
        }
        Keys::Store { store, key_password } => match store.read()? {
            Content::Pem(blocks) => Ok(Identity {
                config_key: store.key(),
                chain: certificates(store, blocks.iter().filter(|block| !block.label.ends_with("KEY")))?,
                key: private_key(store, &blocks, key_password.as_ref())?,
            }),
            Content::Pkcs12(bytes) => {
                let archive = KeyStore::from_pkcs12(&bytes, store.password(), Pkcs12ImportPolicy::Strict)
                    .map_err(|error| store.invalid(unreadable_pkcs12(&error)))?;
                let (_, chain) = archive
                    .private_key_chain()
                    .ok_or_else(|| store.invalid("it holds no private key with its certificate"))?;
                Ok(Identity {
                    config_key: store.key(),
                    chain: chain.certs().iter().map(|cert| CertificateDer::from(cert.as_der().to_vec())).collect(),
                    key: PrivatePkcs8KeyDer::from(chain.key().as_der().to_vec()).into(),
                })
            }
        },
    }
}

fn unreadable_pkcs12(error: &p12_keystore::error::Error) -> String {
    format!("the PKCS12 store cannot be read ({error}); check the password (ssl.*store.password)")
}

fn certificates<'a>(
    material: &Material,
    blocks: impl Iterator<Item = &'a Block>,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let certificates: Vec<CertificateDer<'static>> = blocks
        .filter(|block| block.label == "CERTIFICATE" || block.label == "TRUSTED CERTIFICATE")
        .map(|block| match &block.der {
            Some(der) => Ok(CertificateDer::from(der.clone())),
            None => Err(material.invalid("a certificate in it is not base64")),
        })
        .collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        return Err(material.invalid("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)"));
    }
    Ok(certificates)
}

fn private_key(
    material: &Material,
    blocks: &[Block],
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>, ConfigError> {
    let block = blocks
        .iter()
        .find(|block| block.label.ends_with("PRIVATE KEY"))
        .ok_or_else(|| material.invalid("it holds no PEM private key (-----BEGIN PRIVATE KEY-----)"))?;
    let Some(der) = block.der.clone() else {
        return Err(material.invalid(
            "the private key is encrypted in the old OpenSSL way; convert it with: \
             openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out KEY.pk8",
        ));
    };
    match block.label.as_str() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        "ENCRYPTED PRIVATE KEY" => {
            let password =
                password.ok_or_else(|| material.invalid("the private key is encrypted: set ssl.key.password"))?;
            let encrypted = EncryptedPrivateKeyInfoRef::try_from(der.as_slice())
                .map_err(|error| material.invalid(format!("the encrypted private key cannot be read: {error}")))?;
            let plain = encrypted.decrypt(password.expose()).map_err(|_| {
                material.invalid(
                    "the private key cannot be decrypted: ssl.key.password is wrong, or the cipher is older than \
                     PBES2 with AES; convert it with: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out KEY.pk8",
                )
            })?;
            Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
        }
        other => Err(material.invalid(format!("a key of the kind {other} is not supported"))),
    }
}

/// All blocks of a PEM text. Like Kafka (and unlike RFC 7468) it does not mind where the lines break:
/// in a properties file the whole text is often one line.
fn pem_blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let Some((label, after)) = begun.split_once("-----") else { break };
        let Some((body, ended)) = after.split_once("-----END ") else { break };
        let base64: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        blocks.push(Block { label: label.to_owned(), der: BASE64.decode(base64).ok() });
        rest = ended;
    }
    blocks
}
