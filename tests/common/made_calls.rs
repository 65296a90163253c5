//! Made-up calls in great number, written into the catalogue of SQLite or PostgreSQL.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::{params, Connection};
use serde_json::json;

const DEVICES: i64 = 1000;
/// 2026-01-01.
const BEGIN: i64 = 1_767_225_600;

/// One call every eight seconds; numbers and names that repeat as people's do.
pub struct MadeUp {
    number: i64,
    pub device: i64,
    pub remote: String,
    pub local: String,
    name: String,
}

impl MadeUp {
    pub fn new(number: i64) -> Self {
        let mixed = (number.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) as u64) >> 24;
        Self {
            number,
            // Every fourth call is of one device.
            device: if mixed % 4 == 0 {
                0
            } else {
                (mixed % DEVICES as u64) as i64
            },
            remote: format!("+49{:09}", mixed % 700_000_000),
            local: format!("{}", 1000 + mixed % 900),
            name: format!("name {}", ["ann", "bob", "zoe"][(mixed % 3) as usize]),
        }
    }

    fn id(&self) -> String {
        let mut rest = self.number as u64;
        let mut digits = [b'a'; 26];
        for digit in digits.iter_mut().rev() {
            *digit = b'a' + (rest % 26) as u8;
            rest /= 26;
        }
        String::from_utf8(digits.to_vec()).unwrap()
    }
}

fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

impl MadeUp {
    fn key(&self) -> i64 {
        (BEGIN + self.number * 8) << 24
    }

    fn document(&self) -> String {
        let document = json!({
            "id": self.id(), "state": "finished", "place": "local", "remote_number": self.remote, "local_number": self.local,
            "remote_name": self.name, "start": "2026-01-01T00:00:00+00:00", "duration_ms": 180_000, "files": [],
        });
        document.to_string()
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.remote, self.local, self.name)
    }
}

/// Fills a file that the archive has made.
pub fn fill_file(path: &Path, rows: i64) {
    let mut connection = Connection::open(path).unwrap();
    // One file, without a log: if it does not come to its end, the test has failed.
    for mode in ["DELETE", "OFF"] {
        connection
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
    }
    connection
        .pragma_update(None, "synchronous", "OFF")
        .unwrap();
    connection
        .pragma_update(None, "cache_size", -200_000)
        .unwrap();
    let transaction = connection.transaction().unwrap();
    for device in 0..DEVICES {
        let insert = "INSERT INTO folder(id, name) VALUES(?1, ?2)";
        transaction
            .execute(insert, params![device + 1, format!("device{device}")])
            .unwrap();
    }
    let mut insert = transaction
        .prepare(
            "INSERT INTO recording(key, id, folder, state, dir, remote, local, remote_back, local_back, names, words,
             duration, size, flawed, hold, document) VALUES(?1, ?2, ?3, 'finished', ?4, ?5, ?6, ?7, ?8, ?9, '', ?10, ?11, ?12, 0, ?13)",
        )
        .unwrap();
    let mut words = transaction
        .prepare("INSERT INTO search(rowid, words) VALUES(?1, ?2)")
        .unwrap();
    for number in 0..rows {
        let call = MadeUp::new(number);
        let values = params![
            call.key(),
            call.id(),
            call.device + 1,
            1 + number % 2,
            call.remote,
            call.local,
            reversed(&call.remote),
            reversed(&call.local),
            call.name,
            180_000 + number % 1000,
            1_500_000,
            number % 50 == 0,
            call.document()
        ];
        insert.execute(values).unwrap();
        words.execute(params![call.key(), call.text()]).unwrap();
    }
    drop((insert, words));
    transaction.commit().unwrap();
}

/// What one copy statement writes: text that PostgreSQL reads.
fn copy(out: &mut impl Write, into: &str, rows: i64, of: impl Fn(&MadeUp) -> String) {
    writeln!(out, "COPY {into} FROM STDIN;").unwrap();
    for number in 0..rows {
        writeln!(out, "{}", of(&MadeUp::new(number))).unwrap();
    }
    writeln!(out, "\\.").unwrap();
}

/// Fills a database whose tables the archive has made.
pub fn fill_database(url: &str, rows: i64) {
    let mut psql = Command::new("psql");
    psql.args(["-q", "-v", "ON_ERROR_STOP=1", url])
        .stdin(Stdio::piped());
    let mut psql = psql.spawn().unwrap();
    let mut out = BufWriter::new(psql.stdin.take().unwrap());
    // The index of pieces is made when all are there: that is an hour less for five million.
    writeln!(
        out,
        "SET search_path = catalogue; SET maintenance_work_mem = '512MB'; DROP INDEX search_words;"
    )
    .unwrap();
    writeln!(out, "INSERT INTO folder(id, name) SELECT n + 1, 'device' || n FROM generate_series(0, {DEVICES} - 1) AS n;").unwrap();
    let columns = "recording(key, id, folder, state, dir, remote, local, remote_back, local_back, names, words,
        duration, size, flawed, hold, document)".replace('\n', " ");
    copy(&mut out, &columns, rows, |call| {
        let (key, id, number) = (call.key(), call.id(), call.number);
        let (folder, dir) = (call.device + 1, 1 + number % 2);
        let (remote, local) = (&call.remote, &call.local);
        let back = format!("{}\t{}", reversed(remote), reversed(local));
        let (duration, flawed) = (180_000 + number % 1000, i64::from(number % 50 == 0));
        format!(
            "{key}\t{id}\t{folder}\tfinished\t{dir}\t{remote}\t{local}\t{back}\t{}\t\t{duration}\t1500000\t{flawed}\t0\t{}",
            call.name,
            call.document()
        )
    });
    copy(&mut out, "search(rowid, words)", rows, |call| {
        let pieces: Vec<String> = pieces(&call.text()).iter().map(i32::to_string).collect();
        format!("{}\t{{{}}}", call.key(), pieces.join(","))
    });
    writeln!(
        out,
        "CREATE INDEX search_words ON search USING gin(words) WITH (fastupdate = off);"
    )
    .unwrap();
    writeln!(out, "VACUUM ANALYZE;").unwrap();
    drop(out);
    assert!(psql.wait().unwrap().success());
}

/// The numbers of all pieces of three characters (FNV-1a).
fn pieces(text: &str) -> Vec<i32> {
    let chars: Vec<char> = text.chars().collect();
    let number = |piece: &[char]| {
        let bytes = String::from_iter(piece).into_bytes();
        let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619);
        i32::from_ne_bytes(bytes.iter().fold(2_166_136_261, mix).to_ne_bytes())
    };
    let mut numbers: Vec<i32> = chars.windows(3).map(number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
