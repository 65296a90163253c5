//! The issuer: what it says of itself, its keys, and ID tokens for codes.
//!
//! Its description is fetched when somebody signs in, and again after an hour. Keys come with it; for a
//! token with a key that is not there they are fetched once more, at most once a minute.

use std::time::{Duration, Instant};

use base64::prelude::{Engine as _, BASE64_URL_SAFE_NO_PAD};
use log::{info, warn};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreJsonWebKeySet,
    CoreJwsSigningAlgorithm, CoreProviderMetadata,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    DiscoveryError, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    SignatureVerificationError, TokenResponse as _,
};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, MutexGuard};

use super::issuer_http::{check_endpoint, IssuerHttp, NoAnswer};
use super::sign_in::SignIn;
use crate::server::archive::oidc_settings::read_secret;
use crate::server::archive::settings::ArchiveSettings;

/// Where the issuer sends browsers back to.
pub(in crate::server::archive) const CALLBACK: &str = "/oidc/callback";
/// Its description is fetched again after this.
const DESCRIPTION_TIME: Duration = Duration::from_secs(3600);
/// Unknown keys make it fetch keys no more often: an issuer that shows too few is not asked at each sign-in.
const KEYS_TIME: Duration = Duration::from_secs(60);
/// Signatures that nobody else can make: none with the client's secret, and not 'none'.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// Characters of a reason that come from the issuer.
const REASON_CHARS: usize = 300;

/// The client of an issuer whose description is known.
type ReadyClient = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why nobody can be signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::archive) enum Problem {
    /// The issuer does not answer, or not as one.
    Away(String),
    /// It has answered, and its answer does not let this one in.
    Refused(String),
}

/// The issuer.
pub(in crate::server::archive) struct Issuer {
    pub(in crate::server::archive) url: String,
    issuer: IssuerUrl,
    client_id: ClientId,
    secret: Option<ClientSecret>,
    redirect: RedirectUrl,
    wants_email: bool,
    http: IssuerHttp,
    known: Mutex<Known>,
}

/// What is known of the issuer.
#[derive(Default)]
struct Known {
    description: Option<(CoreProviderMetadata, Instant)>,
    /// When it last did not answer, and what the matter was.
    failed: Option<(Instant, String)>,
    keys_fetched_at: Option<Instant>,
}

impl Issuer {
    pub(super) fn new(settings: &ArchiveSettings) -> Result<Self, String> {
        let oidc = &settings.oidc;
        let url = oidc.issuer().unwrap_or_default().to_owned();
        let public = settings.public.as_deref().unwrap_or_default();
        let redirect = RedirectUrl::new(format!("{public}{CALLBACK}"));
        let secret = oidc.client_secret_file.as_deref().map(read_secret);
        let http = IssuerHttp::new(oidc.ca.as_deref())?;
        Ok(Self {
            issuer: IssuerUrl::new(url.clone())
                .map_err(|error| format!("oidcIssuer {url}: {error}"))?,
            client_id: ClientId::new(oidc.client_id.clone().unwrap_or_default()),
            secret: secret.transpose()?.map(ClientSecret::new),
            redirect: redirect.map_err(|error| format!("public {public}: {error}"))?,
            wants_email: oidc.user_claim() == "email",
            http,
            known: Mutex::default(),
            url,
        })
    }

    /// Its host, for people.
    pub(in crate::server::archive) fn host(&self) -> &str {
        self.issuer.url().host_str().unwrap_or(&self.url)
    }

    /// Where the browser is sent to.
    pub(in crate::server::archive) async fn sign_in_url(
        &self,
        sign_in: &SignIn,
    ) -> Result<String, Problem> {
        let description = self.description().await?;
        let client = self.client(&description);
        let (state, nonce) = (sign_in.state.clone(), sign_in.nonce.clone());
        let verifier = PkceCodeVerifier::new(sign_in.verifier.clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let mut request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            move || CsrfToken::new(state),
            move || Nonce::new(nonce),
        );
        let offered = description.scopes_supported();
        let offers_groups =
            offered.is_some_and(|offered| offered.iter().any(|one| **one == "groups"));
        for (scope, is_wanted) in [
            ("profile", true),
            ("email", self.wants_email),
            ("groups", offers_groups),
        ] {
            if is_wanted {
                request = request.add_scope(Scope::new(scope.into()));
            }
        }
        let (url, _, _) = request.set_pkce_challenge(challenge).url();
        Ok(url.into())
    }

    /// The claims of the ID token that the issuer gives for a code, all of it checked.
    pub(in crate::server::archive) async fn claims(
        &self,
        code: &str,
        sign_in: &SignIn,
    ) -> Result<Map<String, Value>, Problem> {
        let description = self.description().await?;
        let token = self.id_token(&description, code, sign_in).await?;
        let nonce = Nonce::new(sign_in.nonce.clone());
        match self.check(&description, &token, &nonce) {
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey,
            )) => {
                let description = self.with_new_keys().await?;
                self.check(&description, &token, &nonce).map_err(refusal)?;
            }
            checked => checked.map_err(refusal)?,
        }
        payload(&token).ok_or_else(|| refused("the claims of the ID token cannot be read"))
    }

    /// Signature, issuer, audience, time and nonce.
    fn check(
        &self,
        description: &CoreProviderMetadata,
        token: &CoreIdToken,
        nonce: &Nonce,
    ) -> Result<(), ClaimsVerificationError> {
        let client = self.client(description);
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        token.claims(&verifier, nonce).map(drop)
    }

    async fn id_token(
        &self,
        description: &CoreProviderMetadata,
        code: &str,
        sign_in: &SignIn,
    ) -> Result<CoreIdToken, Problem> {
        let client = self.client(description);
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| refused("the issuer has no token endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(sign_in.verifier.clone()));
        // What the issuer has sent is in no message: it may be a token.
        let answer = request
            .request_async(&self.http)
            .await
            .map_err(|problem| match problem {
                RequestTokenError::Request(NoAnswer(words)) => Problem::Away(words),
                RequestTokenError::ServerResponse(error) => {
                    refused(&format!("token endpoint: {}", error.error()))
                }
                _ => refused("the token endpoint's answer cannot be read"),
            })?;
        let token = answer.id_token().cloned();
        token.ok_or_else(|| refused("the token endpoint has sent no ID token"))
    }
}

impl Issuer {
    fn client(&self, description: &CoreProviderMetadata) -> ReadyClient {
        let client = CoreClient::from_provider_metadata(
            description.clone(),
            self.client_id.clone(),
            self.secret.clone(),
        );
        let methods = description.token_endpoint_auth_methods_supported();
        let has = |method| methods.is_some_and(|methods| methods.contains(&method));
        let only_in_body = has(CoreClientAuthMethod::ClientSecretPost)
            && !has(CoreClientAuthMethod::ClientSecretBasic);
        let client = if only_in_body {
            client.set_auth_type(AuthType::RequestBody)
        } else {
            client
        };
        client.set_redirect_uri(self.redirect.clone())
    }

    /// What the issuer says of itself. Whoever has waited for an answer that did not come does not
    /// ask again.
    async fn description(&self) -> Result<CoreProviderMetadata, Problem> {
        let began = Instant::now();
        let mut known = self.known.lock().await;
        if let Some((description, fetched_at)) = &known.description {
            if fetched_at.elapsed() < DESCRIPTION_TIME {
                return Ok(description.clone());
            }
        }
        if let Some((_, words)) = known.failed.as_ref().filter(|(at, _)| *at >= began) {
            return Err(Problem::Away(words.clone()));
        }
        let fetched = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let fetched = fetched.map_err(|problem| words_of(&problem));
        // A browser carries the code there and back.
        let fetched = fetched.and_then(|description| {
            let endpoint = description.authorization_endpoint().as_str();
            check_endpoint(endpoint)
                .map_err(|problem| format!("authorization_endpoint {problem}"))?;
            Ok(description)
        });
        let description = self.note(&mut known, fetched)?;
        known.description = Some((description.clone(), Instant::now()));
        Ok(description)
    }

    /// The description with the keys that the issuer has now.
    async fn with_new_keys(&self) -> Result<CoreProviderMetadata, Problem> {
        let mut known = self.known.lock().await;
        let is_soon = known
            .keys_fetched_at
            .is_some_and(|at| at.elapsed() < KEYS_TIME);
        let Some((description, _)) = known.description.clone().filter(|_| !is_soon) else {
            let words = "the ID token is signed with a key that the issuer has not shown; \
                         its keys are fetched once a minute";
            return Err(refused(words));
        };
        known.keys_fetched_at = Some(Instant::now());
        let keys = CoreJsonWebKeySet::fetch_async(description.jwks_uri(), &self.http).await;
        let keys = keys.map_err(|problem| words_of(&problem));
        let description = description.set_jwks(self.note(&mut known, keys)?);
        if let Some((kept, _)) = &mut known.description {
            *kept = description.clone();
        }
        Ok(description)
    }

    /// The log has a line when the issuer goes away, or for another reason, and one when it is back.
    fn note<T>(
        &self,
        known: &mut MutexGuard<Known>,
        fetched: Result<T, String>,
    ) -> Result<T, Problem> {
        let before = known.failed.take().map(|(_, words)| words);
        match fetched {
            Ok(fetched) => {
                if before.is_some() {
                    info!("oidcIssuer {}: answers again", self.url);
                }
                Ok(fetched)
            }
            Err(words) => {
                if before.as_ref() != Some(&words) {
                    warn!(
                        "oidcIssuer {}: {words}; nobody can sign in with it",
                        self.url
                    );
                }
                known.failed = Some((Instant::now(), words.clone()));
                Err(Problem::Away(words))
            }
        }
    }
}

/// What is wrong with an issuer's description or keys.
fn words_of(problem: &DiscoveryError<NoAnswer>) -> String {
    let words = match problem {
        DiscoveryError::Request(NoAnswer(words)) => words.clone(),
        DiscoveryError::Parse(error) => format!("its description or keys cannot be read: {error}"),
        problem => problem.to_string(),
    };
    shortened(&words)
}

fn refused(words: &str) -> Problem {
    Problem::Refused(shortened(words))
}

/// Why an ID token is not accepted.
fn refusal(problem: ClaimsVerificationError) -> Problem {
    match problem {
        ClaimsVerificationError::SignatureVerification(why) => refused(&format!("ID token: {why}")),
        problem => refused(&format!("ID token: {problem}")),
    }
}

/// No more than a line of what others have written.
fn shortened(words: &str) -> String {
    let plain = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(REASON_CHARS).collect()
}

/// All claims of a token that was checked; the crate knows the standard ones alone.
fn payload(token: &CoreIdToken) -> Option<Map<String, Value>> {
    let text = token.to_string();
    let payload = BASE64_URL_SAFE_NO_PAD
        .decode(text.split('.').nth(1)?)
        .ok()?;
    serde_json::from_slice(&payload).ok()
}
