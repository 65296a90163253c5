//! The phone's line: what its calls have in common, whoever signals them. One call at a time has
//! sound; all of them are told to the programs that have subscribed, and stand in one log.

use log::warn;

use crate::base::limits::{MESSAGE_BYTES, NAME_BYTES};
use crate::base::time::Instant;
use crate::daemon::context::Context;
use crate::daemon::event_log;
use crate::daemon::services::calls::call_log::CallLog;
use crate::daemon::services::calls::media::{CallMedia, Sound};
use crate::daemon::services::calls::own_streams::OwnStreamServer;
use crate::daemon::turn::Work;
use crate::io::clock::Now;
use crate::proto::intercom::endpoint::lines::{write_event, write_log, write_present};
use crate::proto::intercom::endpoint::output::{CallState, Closed, Event};
use crate::proto::intercom::endpoint::urls::{for_application, url, Url, Urls};
use crate::proto::recorder::outbox::To;
use crate::wire::control::Text;
use crate::wire::recording::sidecar::Start;

/// The line.
pub(super) struct Line {
    pub(super) media: CallMedia,
    /// The device's own stream server; closed but on a door unit and the property's phone.
    pub(super) streams: OwnStreamServer,
    pub(super) log: CallLog,
    /// The phone is a door unit, which shows a picture.
    pub(super) is_door: bool,
}

impl Line {
    pub(super) fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        self.streams.turn(now.monotonic);
        let media = self.media.turn(now, context, self.streams.server());
        self.log.write_due(now.monotonic);
        self.log.write_to(&mut context.clients);
        if self.streams.has_work() {
            Work::Left
        } else {
            media
        }
    }

    pub(super) fn next_deadline(&self) -> Instant {
        let streams = self.streams.next_deadline();
        let media = self.media.next_deadline();
        self.log.deadline().min(streams).min(media)
    }

    /// Tells an event to all who have subscribed, and keeps calls in the log.
    pub(super) fn publish(&mut self, event: &Event, now: &Now, context: &mut Context) {
        let mut buffer = [0; MESSAGE_BYTES];
        self.follow_call(event, now);
        let recording = self.recording_of(event);
        let written = write_event(&self.shown(event.clone()), &recording, &mut buffer);
        let Some(len) = written else {
            warn!("calls: bug: an event is too long");
            return;
        };
        event_log::log(&buffer[..len]);
        context.push(To::Subscribers, &buffer[..len]);
        match event {
            Event::Closed(closed) => self.keep(closed, now),
            Event::Call(CallState::Waiting, info, _) => {
                let closed = Closed::busy(info.clone(), now.monotonic);
                self.keep(&closed, now);
            }
            _ => {}
        }
    }

    /// Writes an event as what is now, for a program that subscribes.
    pub(super) fn write_present(&self, event: &Event, buffer: &mut [u8]) -> Option<usize> {
        let shown = self.shown(event.clone());
        write_present(&shown, &self.recording_of(event), buffer)
    }

    /// An event as programs see it: with a media engine the phone has other streams for them.
    fn shown(&self, event: Event) -> Event {
        match event {
            Event::Call(state, info, urls) if self.media.is_bridged() => {
                let urls = for_application(&urls, true, self.picture_url().as_ref());
                Event::Call(state, info, urls)
            }
            event => event,
        }
    }

    /// Where the application of a door publishes its picture, if the sound is to be added here.
    pub(super) fn picture_url(&self) -> Option<Url> {
        let server = self.streams.address()?;
        self.media.picture_id().map(|id| url(server, id))
    }

    /// A call's media follow its state.
    fn follow_call(&mut self, event: &Event, now: &Now) {
        if let Event::Call(_, _, urls) = event {
            self.follow_picture(&urls.publish_video, now);
        }
        match event {
            Event::Call(CallState::Talking, info, urls) => {
                let sound = self.sound_of(urls);
                self.media.handle_talking(now.monotonic, info, sound);
            }
            Event::Closed(closed) => self.media.handle_closed(now.monotonic, closed),
            _ => {}
        }
    }

    #[cfg(feature = "cloud")]
    fn sound_of(&self, urls: &Urls) -> Sound {
        if self.media.has_transport() {
            return Sound::Transport;
        }
        Sound::Streams(urls.clone(), None)
    }

    #[cfg(not(feature = "cloud"))]
    fn sound_of(&self, urls: &Urls) -> Sound {
        Sound::Streams(urls.clone(), None)
    }

    pub(super) fn follow_picture(&mut self, publish_video: &Url, now: &Now) {
        if let Some(own) = self.streams.address().filter(|_| self.is_door) {
            self.media.handle_picture(now.monotonic, publish_video, own);
        }
    }

    fn recording_of(&self, event: &Event) -> Text<NAME_BYTES> {
        match event {
            Event::Call(_, info, _) => self.media.recording_of(&info.sid),
            Event::Closed(closed) => self.media.recording_of(&closed.info.sid),
            _ => Text::new(),
        }
    }

    fn keep(&mut self, closed: &Closed, now: &Now) {
        let civil = now.local(closed.began_at);
        let date = [civil.year, civil.month, civil.day];
        let time = [civil.hour, civil.minute, civil.second];
        let began = Start::new(date, time, civil.offset_minutes);
        let mut buffer = [0; crate::base::limits::endpoint::LOG_LINE_BYTES];
        let recording = self.media.recording_of(&closed.info.sid);
        if let Some(len) = write_log(closed, began, &recording, &mut buffer) {
            self.log.add(now.monotonic, closed.began_at, &buffer[..len]);
        }
    }
}
