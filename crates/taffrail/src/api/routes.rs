//! Registration of routes. Every route names its permission here: [`Routes::add`] is the only way to a route,
//! and it does not compile without one; [`Routes::foreign`] is the same for protocols of others. The permission also stands in the OpenAPI document
//! (`x-taffrail-permission`), where a test finds routes that lost it.

use crate::app::App;
use axum::Router;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use std::sync::Arc;
use utoipa::openapi::OpenApi;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// What a route lets somebody do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// See that the server is there; tells nothing of any log.
    Health,
    /// Read the documentation of the API and the language.
    Describe,
    /// See how the server does: counters, sizes, names of indexes and sources.
    Operate,
    /// Read events.
    Read,
    /// Change definitions, such as saved searches.
    Define,
    /// Add events.
    Ingest,
    /// Remove events, and say which must not be removed.
    Administer,
}

impl Permission {
    /// Its name in the OpenAPI document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Describe => "describe",
            Self::Operate => "operate",
            Self::Read => "read",
            Self::Define => "define",
            Self::Ingest => "ingest",
            Self::Administer => "administer",
        }
    }
}

/// Who calls. One role so far: whoever can open a loopback connection may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A user of this machine.
    Local,
}

impl Role {
    /// Whether the role includes the permission.
    pub fn may(self, _permission: Permission) -> bool {
        match self {
            Self::Local => true,
        }
    }
}

/// A registered route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its path.
    pub path: String,
    /// What it needs.
    pub permission: Permission,
}

/// Routes being put together.
pub struct Routes {
    router: OpenApiRouter<Arc<App>>,
    registered: Vec<Registered>,
}

impl Routes {
    /// None yet, described by `openapi`.
    pub fn new(openapi: OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(openapi), registered: Vec::new() }
    }

    /// Adds what `utoipa_axum::routes!` gives, open to who has `permission`.
    #[must_use]
    pub fn add(mut self, permission: Permission, (schemas, mut paths, methods): UtoipaMethodRouter<Arc<App>>) -> Self {
        let extension = || ExtensionsBuilder::new().add("x-taffrail-permission", permission.name()).build();
        for (path, item) in &mut paths.paths {
            self.registered.push(Registered { path: path.clone(), permission });
            for operation in [&mut item.get, &mut item.post, &mut item.put, &mut item.delete, &mut item.patch].into_iter().flatten() {
                operation.extensions.get_or_insert_with(Default::default).merge(extension());
            }
        }
        let guarded =
            methods.layer(middleware::from_fn(move |request: axum::extract::Request, next: Next| allow(permission, request, next)));
        self.router = self.router.routes((schemas, paths, guarded));
        self
    }

    /// Adds a route of somebody else's protocol, open to who has `permission`. It is described where that protocol is, and
    /// in the manual; not in our document.
    #[must_use]
    pub fn foreign(mut self, permission: Permission, path: &str, methods: MethodRouter<Arc<App>>) -> Self {
        let guarded =
            methods.layer(middleware::from_fn(move |request: axum::extract::Request, next: Next| allow(permission, request, next)));
        self.router = self.router.route(path, guarded);
        self
    }

    /// The router, its description, and the list of what was registered.
    pub fn finish(self) -> (Router<Arc<App>>, OpenApi, Vec<Registered>) {
        let (router, openapi) = self.router.split_for_parts();
        (router, openapi, self.registered)
    }
}

/// Lets a request through if its caller has the permission.
async fn allow(permission: Permission, request: axum::extract::Request, next: Next) -> Response {
    // Authentication will put the caller's role here; a loopback caller is local.
    let role = request.extensions().get::<Role>().copied().unwrap_or(Role::Local);
    if role.may(permission) {
        return next.run(request).await;
    }
    super::error::ApiError::forbidden(format!("this needs the permission `{}`", permission.name())).into_response()
}
