//! `callrec fetch`: recordings from a phone, over FSP.
//!
//! `arguments` says what is to be done; `peer_socket` and `rendezvous` reach the phone, `remote`
//! asks it for listings and bytes, `phone_folder` chooses the folder here, `transfer` makes a file
//! of the bytes, `placement` gives it its name, and `run` does all that for a command.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::base::limits::fsp::FAR_PAYLOAD;
use crate::cli::console::{harmless, Console};
use crate::cli::failure::Failure;
use crate::wire::fsp::MAX_PAYLOAD;

mod arguments;
mod listing_line;
mod password_file;
mod peer_socket;
mod phone_folder;
mod phone_sidecars;
mod placement;
mod progress_line;
mod remote;
mod rendezvous;
mod run;
mod transfer;

use arguments::{FetchCommand, FetchOptions, PhoneAddress, FSP_PORT};
use peer_socket::PeerSocket;
use remote::Remote;
use rendezvous::{reach, Reached};
use run::FetchRun;

pub(super) use arguments::FETCH;

pub(super) fn fetch(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let Some(arguments) = arguments::parse(arguments)? else {
        return console.print(FETCH.help);
    };
    let options = &arguments.options;
    if matches!(arguments.command, FetchCommand::Get(_)) {
        phone_folder::check_layout(options)?;
    }
    let connection = connect(&arguments.phone, options)?;
    let max_payload = options.max_payload.min(connection.max_payload);
    let password = options.password.as_ref();
    let remote = Remote::new(connection.socket, password, options.timeout, max_payload);
    let address = phone_folder::name_of(&connection.address);
    let mut run = FetchRun::new(remote, options, address, console);
    let outcome = run.run(&arguments.command);
    run.remote.bye();
    let mut problems = run.problems;
    problems.extend(outcome.err().map(|error| error.into_text()));
    for problem in &mut problems {
        *problem = format!("{}: {}", connection.name, harmless(problem));
    }
    console.conclude(&problems)
}

/// A phone that was reached.
struct PhoneConnection {
    socket: PeerSocket,
    /// The phone's name for messages.
    name: String,
    /// What distinguishes it from other phones: its CID or its address.
    address: String,
    /// The longest payload that gets there in one piece, or in fragments that are not lost.
    max_payload: usize,
}

fn connect(phone: &PhoneAddress, options: &FetchOptions) -> Result<PhoneConnection, Failure> {
    match phone {
        PhoneAddress::Direct { host, port } => Ok(PhoneConnection {
            socket: PeerSocket::direct((host, *port)).map_err(Failure::Failed)?,
            name: match *port {
                FSP_PORT => host.clone(),
                port => format!("{host}:{port}"),
            },
            // Several phones behind one NAT have different ports.
            address: match *port {
                FSP_PORT => host.clone(),
                port => format!("{host}_{port}"),
            },
            max_payload: MAX_PAYLOAD,
        }),
        PhoneAddress::Registered { id, server, invite } => {
            let Reached {
                socket,
                peer,
                is_proven,
            } = reach(id, server, invite)?;
            let name = format!("{id} at {peer}");
            if !is_proven && !options.unproven && options.password.is_some() {
                let problem = "it cannot prove that it is the phone, and does not get the password (see --unproven)";
                return Err(Failure::Failed(format!("{name}: {problem}")));
            }
            let max_payload = if peer.ip().is_private() {
                MAX_PAYLOAD
            } else {
                FAR_PAYLOAD
            };
            Ok(PhoneConnection {
                socket,
                name,
                address: id.clone(),
                max_payload,
            })
        }
    }
}
