//! Object stores for archived segments: S3, and what speaks like it, through the crate `object_store`.
//!
//! Addresses are `s3://bucket/prefix`. What else a store needs comes from its [`Access`], and where that says
//! nothing from the variables that other tools know ([`VARIABLES`]), which are handed in. Credentials are in no error,
//! no log and no `Debug` output. Nothing here decides what is moved, read or deleted.

mod address;
mod objects;
mod told;

pub use address::{check, check_endpoint};

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{ClientOptions, RetryConfig};
use objects::{Objects, Worker};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use taffrail_base::{Clock, Error, ErrorKind, Result};
use taffrail_store::archive::{Remote, Remotes};
use told::Secrets;

/// The variables of the environment that are looked at.
pub const VARIABLES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT",
    // Credentials that a cluster or a machine at AWS provides.
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Those that say where the service is, the first that is set counts.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];

/// Those that hold credentials themselves.
const CREDENTIALS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// What a store needs besides its address.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The address of a service that speaks like S3; AWS without one.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The name of the key.
    pub access_key: Option<String>,
    /// The key itself.
    pub secret_key: Option<String>,
    /// Whether the bucket is a host of its own below the endpoint, rather than the first part of the path.
    pub virtual_host: bool,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("endpoint", &self.endpoint).field("region", &self.region).finish_non_exhaustive()
    }
}

/// How long is waited, and how often tried.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer as a whole: one part of a segment, at most a few megabytes.
    pub request: Duration,
    /// How often a request is tried again.
    pub retries: usize,
    /// After how long it is no more: a search waits for it.
    pub retry_for: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), request: seconds(30), retries: 3, retry_for: seconds(15) }
    }
}

/// Opens object stores; their work is done on a thread of its own.
pub struct ObjectStores {
    worker: OnceLock<Arc<Worker>>,
    /// By address.
    access: BTreeMap<String, Access>,
    environment: BTreeMap<String, String>,
    patience: Patience,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for ObjectStores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStores").field("access", &self.access).finish_non_exhaustive()
    }
}

impl ObjectStores {
    /// With what is known of stores, by address, and the variables of the environment. Starts nothing yet.
    pub fn new(access: BTreeMap<String, Access>, environment: BTreeMap<String, String>, clock: Arc<dyn Clock>) -> Self {
        let environment = environment.into_iter().filter(|(name, value)| VARIABLES.contains(&name.as_str()) && !value.is_empty());
        Self { worker: OnceLock::new(), access, environment: environment.collect(), patience: Patience::default(), clock }
    }

    /// With other times to wait.
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    fn worker(&self) -> Result<Arc<Worker>> {
        if let Some(worker) = self.worker.get() {
            return Ok(worker.clone());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).thread_name("taffrail-archive").enable_all().build();
        let runtime = runtime.map_err(|e| Error::io("the thread taffrail-archive", e))?;
        Ok(self.worker.get_or_init(|| Arc::new(Worker(Some(runtime)))).clone())
    }

    /// What is known of a store: of this very address, or of another in the same bucket, whose segments stay where they
    /// are when the prefix in the settings changes.
    fn access_of(&self, url: &str, bucket: &str) -> Access {
        let same = |(known, _): &(&String, &Access)| address::parts(known).is_ok_and(|(other, _)| other == bucket);
        let found = self.access.get(url).or_else(|| self.access.iter().find(same).map(|(_, access)| access));
        found.cloned().unwrap_or_default()
    }

    /// A builder that knows where the bucket is and who asks.
    fn builder(&self, bucket: &str, access: &Access) -> Result<AmazonS3Builder> {
        let invalid = |message: &str, hint: &str| Error::new(ErrorKind::Invalid, message.to_owned()).with_hint(hint);
        let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_virtual_hosted_style_request(access.virtual_host);
        let keys = match (&access.access_key, &access.secret_key) {
            (Some(name), Some(key)) => Some((name, key)),
            (None, None) => None,
            _ => return Err(invalid("only one of access_key and secret_key is set", "set both, or neither")),
        };
        for (name, value) in &self.environment {
            let name = name.as_str();
            // Credentials are taken from one place as a whole.
            if ENDPOINTS.contains(&name) || keys.is_some() && CREDENTIALS.contains(&name) {
                continue;
            }
            if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                builder = builder.with_config(key, value);
            }
        }
        if let Some((name, key)) = keys {
            builder = builder.with_access_key_id(name).with_secret_access_key(key);
        }
        if let Some(region) = access.region.as_ref().or_else(|| self.environment.get("AWS_REGION")) {
            builder = builder.with_region(region);
        }
        let endpoint = access.endpoint.as_ref().or_else(|| ENDPOINTS.iter().find_map(|name| self.environment.get(*name)));
        if let Some(endpoint) = endpoint {
            check_endpoint(endpoint)?;
            let known = |name: &str| self.environment.contains_key(name);
            let provided = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
            if keys.is_none() && !known("AWS_ACCESS_KEY_ID") && !provided.into_iter().any(known) {
                // AWS would be asked for those of this machine, which mean nothing to others.
                return Err(invalid(
                    "no credentials for it",
                    "set archive.access_key and archive.secret_key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                ));
            }
            builder = builder.with_endpoint(if access.virtual_host { address::hosted(endpoint, bucket) } else { endpoint.clone() });
        }
        let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let Patience { connect, request, retries, retry_for } = self.patience;
        let client = ClientOptions::new().with_connect_timeout(connect).with_timeout(request).with_allow_http(plain);
        let retry = RetryConfig { max_retries: retries, retry_timeout: retry_for, ..RetryConfig::default() };
        Ok(builder.with_retry(retry).with_client_options(client))
    }

    /// Whatever no message may hold.
    fn secrets(&self, access: &Access) -> Secrets {
        let own = access.access_key.iter().chain(&access.secret_key);
        Secrets(own.chain(CREDENTIALS.iter().filter_map(|name| self.environment.get(*name))).cloned().collect())
    }
}

impl Remotes for ObjectStores {
    fn open(&self, url: &str) -> Result<Arc<dyn Remote>> {
        let (bucket, prefix) = address::parts(url)?;
        let access = self.access_of(url, bucket);
        let secrets = self.secrets(&access);
        // Whatever keeps a store from being opened, it is out of reach: searches go on without it, and say so.
        let named = |error: Error| {
            let told = Error::new(ErrorKind::Io, format!("{url}: {}", error.message()));
            match error.hint() {
                Some(hint) => told.with_hint(hint),
                None => told,
            }
        };
        let built = self.builder(bucket, &access).map_err(named)?.build();
        let store = built.map_err(|e| Error::new(ErrorKind::Io, format!("{url}: {}", secrets.tell(&e))))?;
        Ok(Arc::new(Objects {
            url: url.to_owned(),
            prefix: prefix.to_owned(),
            store: Arc::new(store),
            worker: self.worker()?,
            clock: self.clock.clone(),
            secrets,
            away: Mutex::new(None),
        }))
    }
}

#[cfg(test)]
mod tests;
