//! The tokens in force, and what a request may do with one.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::access::addresses::Addresses;
use crate::access::bearer::Bearer;
use crate::access::caller::{Caller, Identified};
use crate::access::client::{Client, Scope, Scopes};
use crate::access::file;
use crate::access::file::TokenFileError;
use crate::access::token::TokenHash;
use crate::access::tokens::TokenSet;
use crate::config::Config;
use crate::metrics::{AddressGauges, ClientGauges, DenyReason};

/// Who may ask for what.
#[derive(Debug)]
pub(crate) struct Access {
    /// `None`: anyone may ask for anything.
    tokens: Option<CurrentTokens>,
    protects_metrics: bool,
    /// Quotas of those that need no token.
    addresses: Option<Addresses>,
}

/// The tokens of a file that is read again.
#[derive(Debug)]
struct CurrentTokens {
    path: PathBuf,
    /// Replaced as a whole, by the thread that handles signals.
    set: RwLock<Arc<TokenSet>>,
    /// How often it was replaced. Stored after the set: a connection that
    /// remembers a client under this number found it in this set or a later one.
    generation: AtomicU64,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Scope(Scope),
    /// The figures, which are open unless `--protect-metrics` is given.
    Metrics,
}

/// Why a request may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It has no token.
    NoToken,
    /// Its token is not known.
    BadToken,
    /// Its token doesn't have this scope.
    Scope(Scope),
}

impl Denied {
    /// What it is counted under.
    pub(crate) fn reason(self) -> DenyReason {
        match self {
            Self::NoToken => DenyReason::NoToken,
            Self::BadToken => DenyReason::BadToken,
            Self::Scope(_) => DenyReason::Scope,
        }
    }
}

impl Access {
    /// Reads the token file, if there is one.
    pub(crate) fn new(config: &Config) -> Result<Self, TokenFileError> {
        let tokens = config.token_file.clone().map(CurrentTokens::read);
        Ok(Self {
            tokens: tokens.transpose()?,
            protects_metrics: config.protect_metrics,
            addresses: Addresses::new(&config.peers),
        })
    }

    /// Reads the token file again, and returns how many tokens it has; `None`
    /// without one.
    ///
    /// # Errors
    /// When it can't be used: the tokens that were in force remain.
    pub(crate) fn reload(&self) -> Option<Result<usize, TokenFileError>> {
        self.tokens.as_ref().map(CurrentTokens::reload)
    }

    /// How many tokens there are; `None` without a file.
    pub(crate) fn tokens(&self) -> Option<usize> {
        Some(self.tokens.as_ref()?.set().len())
    }

    /// Whether client addresses have quotas.
    pub(crate) fn has_address_quotas(&self) -> bool {
        self.addresses.is_some()
    }

    /// What the clients have done: those with a token, or all addresses.
    pub(crate) fn gauges(&self) -> (Vec<ClientGauges>, Option<AddressGauges>) {
        if let Some(addresses) = &self.addresses {
            let (clients, gauges) = addresses.gauges();
            return (vec![clients], Some(gauges));
        }
        let tokens = self.tokens.as_ref();
        let clients = tokens.map_or_else(Vec::new, |tokens| tokens.set().gauges());
        (clients, None)
    }

    /// Whether a request with this `Authorization` may be made;
    /// [`Caller::client`] says whose it is then. `address` is where it comes
    /// from, asked for where that matters.
    #[inline]
    pub(crate) fn check(
        &self,
        caller: &mut Caller,
        authorization: Option<&[u8]>,
        need: Option<Need>,
        address: impl FnOnce() -> IpAddr,
    ) -> Result<(), Denied> {
        caller.begin();
        if let (Some(addresses), Some(Need::Scope(_))) = (&self.addresses, need) {
            caller.come_from(address(), addresses);
        }
        let (Some(tokens), Some(need)) = (&self.tokens, need) else {
            return Ok(());
        };
        let Some(scope) = self.scope(need) else {
            return Ok(());
        };
        let may = tokens.identify(caller, authorization.ok_or(Denied::NoToken)?)?;
        if may.has(scope) {
            Ok(())
        } else {
            Err(Denied::Scope(scope))
        }
    }

    /// The scope that a token must have for this; `None`: no token is needed.
    pub(super) fn scope(&self, need: Need) -> Option<Scope> {
        match need {
            Need::Scope(scope) => Some(scope),
            Need::Metrics => self.protects_metrics.then_some(Scope::Read),
        }
    }

    /// Which tokens are in force, or were a moment ago; `None` without any.
    #[inline]
    pub(super) fn generation(&self) -> Option<u64> {
        self.tokens.as_ref().map(CurrentTokens::generation)
    }

    /// Whose token this is now, and the generation of tokens that says so.
    pub(super) fn find(&self, token: &TokenHash) -> Result<(u64, Arc<Client>), Denied> {
        self.tokens.as_ref().ok_or(Denied::BadToken)?.find(token)
    }
}

impl CurrentTokens {
    fn read(path: PathBuf) -> Result<Self, TokenFileError> {
        Ok(Self {
            set: RwLock::new(Arc::new(file::read(&path, &TokenSet::default())?)),
            path,
            generation: AtomicU64::new(0),
        })
    }

    fn reload(&self) -> Result<usize, TokenFileError> {
        let set = Arc::new(file::read(&self.path, &self.set())?);
        let tokens = set.len();
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = set;
        // Pairs with the Acquire load in `generation`.
        self.generation.fetch_add(1, Ordering::Release);
        Ok(tokens)
    }

    fn generation(&self) -> u64 {
        // Pairs with the Release addition in `reload`.
        self.generation.load(Ordering::Acquire)
    }

    fn find(&self, token: &TokenHash) -> Result<(u64, Arc<Client>), Denied> {
        // Before the set: what is found in a later one is searched for again.
        let generation = self.generation();
        let set = self.set();
        let client = set.find(token).ok_or(Denied::BadToken)?;
        Ok((generation, client.clone()))
    }

    fn set(&self) -> Arc<TokenSet> {
        // Nothing can panic while it is locked, nor park.
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        set.clone()
    }

    /// Has the caller remember the client of this `Authorization`; returns what
    /// that may do.
    fn identify(&self, caller: &mut Caller, authorization: &[u8]) -> Result<Scopes, Denied> {
        let generation = self.generation();
        if let Some(client) = caller.recall(generation, authorization) {
            return Ok(client.scopes());
        }
        let token = match Bearer::of(authorization) {
            Bearer::Token(token) => token,
            Bearer::Malformed => return Err(Denied::BadToken),
            Bearer::Other => return Err(Denied::NoToken),
        };
        let token = TokenHash::of(token);
        let (generation, client) = self.find(&token)?;
        let may = client.scopes();
        let identified = Identified {
            generation,
            token,
            client,
        };
        caller.remember(authorization, identified);
        Ok(may)
    }
}
