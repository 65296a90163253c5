//! The phone's own calls: over the building intercom, and through the cloud. Each way has a machine
//! that decides (`proto::intercom::endpoint`, `proto::cloud::phone`) and a folder here with its
//! sockets; requests, media, recording and log of all calls are the same (`requests`, `line`).
//!
//! Without a call, a box and a cloud there is no deadline.

use mio::event::Event;

use crate::base::time::Instant;
#[cfg(feature = "cloud")]
use crate::config::CloudConfig;
use crate::config::IntercomConfig;
use crate::daemon::context::Context;
use crate::daemon::service::Service;
use crate::daemon::turn::{Tokens, Work};
use crate::io::clock::Now;
use call_log::CallLog;
#[cfg(feature = "cloud")]
use cloud::Cloud;
use intercom::Intercom;
use line::Line;
use log::warn;
use media::CallMedia;
use own_streams::OwnStreamServer;

mod answers;
mod call_log;
#[cfg(feature = "cloud")]
mod cloud;
mod intercom;
mod line;
mod media;
mod own_streams;
mod requests;

const FIRST_MEDIA: usize = 0;
const FIRST_INTERCOM: usize = FIRST_MEDIA + media::SOURCES;
const FIRST_CLOUD: usize = FIRST_INTERCOM + intercom::SOURCES;
#[cfg(feature = "cloud")]
const FIRST_STREAM: usize = FIRST_CLOUD + cloud::SOURCES;
#[cfg(not(feature = "cloud"))]
const FIRST_STREAM: usize = FIRST_CLOUD;

/// The service; if the phone makes no calls of its own it refuses all requests.
pub(super) struct Calls {
    phone: Option<Box<Phone>>,
    /// With what it was opened.
    config: IntercomConfig,
    #[cfg(feature = "cloud")]
    cloud_config: CloudConfig,
}

/// A phone that makes calls of its own.
struct Phone {
    line: Line,
    intercom: Option<Box<Intercom>>,
    #[cfg(feature = "cloud")]
    cloud: Option<Box<Cloud>>,
}

impl Calls {
    pub(super) fn open(context: &mut Context, tokens: Tokens) -> Result<Self, String> {
        Ok(Self {
            phone: Phone::open(context, tokens)?.map(Box::new),
            config: context.config.intercom.clone(),
            #[cfg(feature = "cloud")]
            cloud_config: context.config.cloud.clone(),
        })
    }
}

impl Service for Calls {
    fn handle_event(&mut self, source: usize, event: &Event, context: &mut Context) {
        let Some(phone) = &mut self.phone else { return };
        if source >= FIRST_STREAM {
            let now = context.clock.read().monotonic;
            return phone.line.streams.handle_event(now, event.token());
        }
        #[cfg(feature = "cloud")]
        if let Some(source) = source.checked_sub(FIRST_CLOUD) {
            return phone
                .cloud
                .iter_mut()
                .for_each(|cloud| cloud.handle_event(source, event));
        }
        match source.checked_sub(FIRST_INTERCOM) {
            Some(source) => {
                let intercom = phone.intercom.iter_mut();
                intercom.for_each(|intercom| intercom.handle_event(source, event));
            }
            None => phone.line.media.handle_event(source, event),
        }
    }

    fn handle_config(&mut self, context: &mut Context) {
        if context.config.intercom != self.config {
            warn!("the keys of the intercom change with a restart only");
        }
        #[cfg(feature = "cloud")]
        if context.config.cloud != self.cloud_config {
            warn!("the keys of the cloud change with a restart only");
        }
    }

    fn handle_end(&mut self, context: &mut Context) {
        if let Some(phone) = &mut self.phone {
            phone.handle_end(context);
        }
    }

    #[cfg(feature = "cloud")]
    fn has_farewells(&self) -> bool {
        let phone = self.phone.as_ref();
        let mut cloud = phone.and_then(|phone| phone.cloud.as_ref()).into_iter();
        cloud.any(|cloud| cloud.has_farewells())
    }

    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        let Some(phone) = &mut self.phone else {
            answers::refuse_all(context);
            return Work::Done;
        };
        phone.turn(now, context)
    }

    fn next_deadline(&self, _now: Instant, context: &Context) -> Instant {
        if !context.call_answers.is_empty() {
            return Instant::default();
        }
        let phone = self.phone.as_ref();
        phone.map_or(Instant::NEVER, |phone| phone.next_deadline())
    }
}

impl Phone {
    /// `None`: the phone makes no calls of its own.
    fn open(context: &mut Context, tokens: Tokens) -> Result<Option<Self>, String> {
        let config = context.config.intercom.clone();
        let settings = config.settings();
        #[cfg(feature = "cloud")]
        let cloud = Cloud::open(context, tokens, FIRST_CLOUD)?;
        #[cfg(feature = "cloud")]
        let has_cloud = cloud.is_some();
        #[cfg(not(feature = "cloud"))]
        let has_cloud = false;
        if settings.is_none() && !has_cloud {
            return Ok(None);
        }
        let registry = context.poll.registry();
        let line = Line {
            media: CallMedia::new(&context.config, tokens, FIRST_MEDIA),
            streams: OwnStreamServer::open(settings.as_ref(), registry, tokens, FIRST_STREAM),
            log: CallLog::open(&config.state),
            is_door: config.is_door(),
        };
        let open = |settings| Intercom::open(&config, settings, context, tokens, FIRST_INTERCOM);
        Ok(Some(Self {
            intercom: settings.map(open).transpose()?,
            line,
            #[cfg(feature = "cloud")]
            cloud,
        }))
    }

    /// The daemon ends: peers are told, and calls stand in the log.
    fn handle_end(&mut self, context: &mut Context) {
        let now = context.clock.read();
        if let Some(intercom) = &mut self.intercom {
            intercom.handle_end(&now, &mut self.line, context);
        }
        #[cfg(feature = "cloud")]
        if let Some(cloud) = &mut self.cloud {
            cloud.handle_end(&now, &mut self.line, context);
        }
        self.line.media.handle_shutdown(now.monotonic, context);
        self.line.log.finish();
    }

    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        while let Some((client, request)) = context.intercom_lines.pop_front() {
            self.answer(client, request, now, context);
        }
        let mut has_more = false;
        if let Some(intercom) = &mut self.intercom {
            has_more |= intercom.turn(now, &mut self.line, context) == Work::Left;
        }
        #[cfg(feature = "cloud")]
        if let Some(cloud) = &mut self.cloud {
            has_more |= cloud.turn(now, &mut self.line, context) == Work::Left;
        }
        self.share_line();
        has_more |= self.line.turn(now, context) == Work::Left;
        context
            .clients
            .write_intercom_now(|number, buffer| self.write_present(number, buffer));
        if has_more {
            Work::Left
        } else {
            Work::Done
        }
    }

    fn next_deadline(&self) -> Instant {
        let intercom = self.intercom.as_ref();
        let intercom = intercom.map_or(Instant::NEVER, |intercom| intercom.next_deadline());
        #[cfg(feature = "cloud")]
        let cloud = self.cloud.as_ref();
        #[cfg(feature = "cloud")]
        let intercom = intercom.min(cloud.map_or(Instant::NEVER, |cloud| cloud.next_deadline()));
        self.line.next_deadline().min(intercom)
    }

    /// While one way has a call, the line is busy for callers of the other.
    #[cfg(feature = "cloud")]
    fn share_line(&mut self) {
        if let (Some(intercom), Some(cloud)) = (&mut self.intercom, &mut self.cloud) {
            intercom.endpoint.set_line_busy(!cloud.machine.is_idle());
            cloud.machine.set_line_busy(!intercom.endpoint.is_idle());
        }
    }

    #[cfg(not(feature = "cloud"))]
    fn share_line(&mut self) {}

    /// Writes the event with this number of those that say what is now.
    fn write_present(&self, number: usize, buffer: &mut [u8]) -> Option<usize> {
        let intercom = self.intercom.iter().flat_map(|intercom| {
            let mut numbers = 0..;
            core::iter::from_fn(move || intercom.endpoint.present(numbers.next()?))
        });
        #[cfg(feature = "cloud")]
        let intercom = intercom.chain(self.cloud.iter().flat_map(|cloud| {
            let mut numbers = 0..;
            core::iter::from_fn(move || cloud.machine.present(numbers.next()?))
        }));
        let mut all = intercom;
        self.line.write_present(&all.nth(number)?, buffer)
    }
}
