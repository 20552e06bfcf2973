//! Starting, running and stopping the server. The order of stopping is what keeps promises: inputs first, then
//! requests, then the audit's last words, then the store.

mod live;
mod patient;
mod rules;

use crate::accounts;
use crate::api;
use crate::app::{App, World};
use crate::routes::Routes;
use crate::sealing::Sealing;
use crate::server_file::{Listening, ServerFile};
use crate::settings::Settings;
use axum::serve::ListenerExt;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use taffrail_base::{Error, ErrorKind, Result, limits};
use taffrail_collect::{Context, Inputs};
use tokio::net::TcpListener;

/// How the server shows what arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// Not at all.
    Off,
    /// One line that is drawn again, or lines now and then where there is no terminal.
    Line,
}

/// Says something to whoever started the server.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Runs a server until `stop` resolves. Blocks for as long as it runs.
pub async fn run(world: World, settings: Settings, live: Live, say: Say, stop: impl Future<Output = ()> + Send) -> Result<()> {
    settings.check()?;
    let data = settings.data.clone().ok_or_else(|| {
        Error::new(ErrorKind::Invalid, "no data folder is named").with_hint("give --data DIR, or data = \"DIR\" in the settings file")
    })?;
    world.vfs.create_dir_all(&data).map_err(|e| Error::io(format!("data folder {}", data.display()), e))?;
    // The address first: when it is taken nothing else has happened yet.
    let listener = listen(settings.http.address).await?;
    let address = listener.local_addr().map_err(|e| Error::io("http.address", e))?;
    let app = {
        let (world, settings, data) = (world.clone(), settings.clone(), data.clone());
        let handle = tokio::runtime::Handle::current();
        // Opening replays the journal, which may take seconds.
        blocking(move || {
            let _in_runtime = handle.enter();
            App::open(&world, data, settings)
        })
        .await?
    };
    let sealing = start_sealing(&world, &data, &app).await?;
    let outcome = with_app(&world, &app, &data, listener, address, live, &say, stop).await;
    // Whatever happened: what was accepted is flushed.
    app.audit.record("server_stop", json!({"outcome": if outcome.is_ok() { "ok" } else { "failed" }})).await;
    app.audit.stop().await;
    let store = Arc::clone(&app.store);
    let closed = blocking(move || {
        let closed = store.close();
        sealing.stop();
        closed
    })
    .await;
    outcome.and(closed)
}

#[allow(clippy::too_many_arguments)] // one caller; the parts of one start
async fn with_app(
    world: &World,
    app: &Arc<App>,
    data: &std::path::Path,
    listener: TcpListener,
    address: SocketAddr,
    live: Live,
    say: &Say,
    stop: impl Future<Output = ()> + Send,
) -> Result<()> {
    // Routes first: what the very first events are is for them as well.
    let routes = Routes::start(app).await?;
    let (inputs, listeners) = match start_inputs(world, app).await {
        Ok(started) => started,
        Err(error) => {
            app.stopping.cancel();
            routes.stop().await;
            return Err(error);
        }
    };
    let file = server_file(app, address, &listeners);
    match file.write(&*world.vfs, data) {
        // Whoever looks for the server does not find it by itself; everything else works.
        Err(error) if error.kind() == ErrorKind::Full => say(&format!("the disk is full: {error}")),
        written => written?,
    }
    app.audit
        .record("server_start", json!({"version": env!("CARGO_PKG_VERSION"), "instance": app.instance, "address": address.to_string()}))
        .await;
    app.audit.record("settings", json!({"settings": app.settings})).await;
    say(&format!("Taffrail {} is at {}", env!("CARGO_PKG_VERSION"), file.url));
    for (name, address) in &listeners {
        say(&format!("  listening: {name} {address}"));
    }
    let ticker = (live == Live::Line).then(|| tokio::spawn(live::run(Arc::clone(app))));
    let watch = tokio::spawn(accounts::watch(Arc::clone(app)));
    let reread = tokio::spawn(rules::watch(Arc::clone(app)));
    let served = serve_http(app, listener, stop).await;
    watch.abort();
    reread.abort();
    if let Some(ticker) = ticker {
        ticker.abort();
        live::end();
    }
    inputs.stop().await;
    app.stopping.cancel();
    routes.stop().await;
    file.remove(&*world.vfs, data);
    served
}

/// Serves until told to stop, then lets requests finish for a while; streams end at once.
async fn serve_http(app: &Arc<App>, listener: TcpListener, stop: impl Future<Output = ()> + Send) -> Result<()> {
    let service = api::router(Arc::clone(app)).into_make_service_with_connect_info::<SocketAddr>();
    let stopping = app.stopping.clone();
    let server = axum::serve(patient::Patient(listener).tap_io(|_| ()), service).with_graceful_shutdown({
        let stopping = stopping.clone();
        async move { stopping.cancelled().await }
    });
    let mut server = tokio::spawn(async move { server.await });
    let ended = |result: Result<std::io::Result<()>, tokio::task::JoinError>| match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(Error::io("HTTP server", e)),
        Err(e) => Err(Error::new(ErrorKind::Bug, format!("the HTTP server ended abnormally: {e}"))),
    };
    tokio::select! {
        result = &mut server => return ended(result),
        () = stop => {}
    }
    stopping.cancel();
    match tokio::time::timeout(Duration::from_secs(limits::STOP_WAIT_SECONDS_MAX), &mut server).await {
        Ok(result) => ended(result),
        Err(_) => {
            server.abort();
            Ok(())
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| match e.kind() {
        std::io::ErrorKind::AddrInUse => Error::new(ErrorKind::Busy, format!("http.address: {address} is in use by another process"))
            .with_hint("stop the other, or choose another port with --http 127.0.0.1:PORT"),
        std::io::ErrorKind::PermissionDenied => {
            Error::io(format!("http.address {address}"), e).with_hint("ports below 1024 need privileges: choose a higher one with --http")
        }
        _ => Error::io(format!("http.address {address}"), e),
    })
}

/// Starts all inputs; gives them and the addresses that listeners are bound to.
async fn start_inputs(world: &World, app: &Arc<App>) -> Result<(Inputs, Vec<(&'static str, SocketAddr)>)> {
    let context = Context {
        sink: Arc::clone(&app.sink),
        vfs: Arc::clone(&world.vfs),
        clock: Arc::clone(&world.clock),
        host: Arc::clone(&app.host),
        rules: Arc::clone(&app.rules),
        zone: app.zone.clone(),
        requests: Some(Arc::new(api::push::Doors(Arc::clone(app)))),
    };
    let mut inputs = Inputs::default();
    let mut listeners = Vec::new();
    for settings in app.settings.inputs() {
        match inputs.add(&settings, &context) {
            Ok(Some(address)) => listeners.push((settings.kind(), address)),
            Ok(None) => {}
            Err(error) => {
                inputs.stop().await;
                return Err(error);
            }
        }
    }
    app.inputs.write().extend(inputs.counters());
    Ok((inputs, listeners))
}

fn server_file(app: &App, address: SocketAddr, listeners: &[(&'static str, SocketAddr)]) -> ServerFile {
    let first = |kind: &str| listeners.iter().find(|(name, _)| *name == kind).map(|(_, address)| address.to_string());
    ServerFile {
        pid: std::process::id(),
        instance: app.instance.clone(),
        url: format!("http://{address}"),
        syslog_udp: first("syslog-udp"),
        syslog_tcp: first("syslog-tcp"),
        listeners: listeners.iter().map(|(kind, address)| Listening { input: (*kind).into(), address: address.to_string() }).collect(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

async fn start_sealing(world: &World, data: &std::path::Path, app: &Arc<App>) -> Result<Sealing> {
    let (world, data, store) = (world.clone(), data.to_owned(), Arc::clone(&app.store));
    blocking(move || Sealing::start(&world, &data, &store)).await
}

/// Runs what blocks on a thread that may.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(Error::new(ErrorKind::Bug, format!("a task ended abnormally: {e}"))))
}

/// The folder that a path names, made absolute, so that a later change of the working folder does not matter.
pub fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
