//! What the engine tells people by mail: the words, and the jobs that send them.

use std::sync::Arc;

use askama::Template;
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};

use crate::{
    clock::{SharedClock, Timestamp},
    jobs::{Claimed, Failure, Handler, Jobs, NewJob, Queue},
    provider::mail::{Letter, Post, PostFault},
};

/// The kind of the job that mails a sign-in code.
pub const SIGN_IN_CODE: &str = "sign_in_code";

/// A code that is to be mailed; sealed while it waits.
#[derive(Serialize, Deserialize)]
pub struct SignInCode {
    /// To whom.
    pub address: String,
    /// The code as it is typed.
    pub code: String,
    /// When it is no good any more; then it is not sent either.
    pub expires_at: Timestamp,
}

impl SignInCode {
    /// The job that mails it.
    ///
    /// # Errors
    /// Never in practice: three plain fields are JSON.
    pub fn job(&self) -> Result<NewJob, serde_json::Error> {
        NewJob::new(Queue::Mail, SIGN_IN_CODE, self)
    }
}

#[derive(Template)]
#[template(
    ext = "txt",
    source = "Hello,

your sign-in code for Backstage Pass is

    {{ code }}

It is good for ten minutes, once, in the browser that asked for it. Nobody from
Backstage Pass will ever ask you for it.

If it was not you who asked, you need not do anything.
"
)]
struct SignInText<'t> {
    code: &'t str,
}

/// Mails sign-in codes.
pub struct SignInMail {
    /// The mail server.
    pub post: Arc<dyn Post>,
    /// Opens what is sealed.
    pub jobs: Jobs,
    /// Says whether a code is still good.
    pub clock: SharedClock,
}

impl Handler for SignInMail {
    fn run<'h>(&'h self, job: &'h Claimed) -> BoxFuture<'h, Result<(), Failure>> {
        async move {
            let due: SignInCode = self.jobs.payload(job)?;
            if self.clock.now() >= due.expires_at {
                return Ok(()); // a code that opens nothing would only confuse
            }
            let text = SignInText { code: &due.code }.render().map_err(|e| Failure::for_good(e.to_string()))?;
            let letter = Letter {
                id: job.id().to_string(),
                to: due.address,
                subject: "Your sign-in code for Backstage Pass".to_owned(),
                text,
            };
            self.post.send(&letter).await.map_err(|fault| match fault {
                PostFault::Refused(_) => Failure::for_good(fault.to_string()),
                PostFault::Away(_) => Failure::for_now(fault.to_string()),
            })
        }
        .boxed()
    }
}
