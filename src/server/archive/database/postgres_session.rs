//! A connection to PostgreSQL, with the statements that it has prepared.

use std::collections::HashMap;

use postgres::fallible_iterator::FallibleIterator;
use postgres::types::ToSql;
use postgres::{Client, NoTls, Row, Statement};

use super::value::Value;
use crate::server::database_url::{words, DatabaseUrl};

/// Searches are many statements: these are forgotten when there are more.
const MOST_STATEMENTS: usize = 300;

/// For all connections. A plan is made for the values of each search: one of few rows and one of millions
/// want different ones. Compiling takes longer than any search.
const SETTINGS: &str = "
    SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '60s';
    SET plan_cache_mode = force_custom_plan;
    SET random_page_cost = 1.1;
    SET work_mem = '32MB';
    SET jit = off;
";

/// An open connection.
pub(in crate::server::archive) struct PostgresConnection {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl PostgresConnection {
    /// Connects; unqualified names are those of a schema.
    pub(super) fn open(url: &DatabaseUrl, schema: &str) -> Result<Self, String> {
        let mut config = postgres::Config::from(url.config().clone());
        // What it does not find to drop is no news.
        let client = config
            .options("-c client_min_messages=warning")
            .connect(NoTls);
        let mut connection = Self {
            client: client.map_err(|problem| words(&problem))?,
            statements: HashMap::new(),
        };
        connection.batch(&format!("{SETTINGS} SET search_path = {schema};"))?;
        Ok(connection)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Statements without values.
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), String> {
        self.client
            .batch_execute(sql)
            .map_err(|problem| words(&problem))
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, String> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= MOST_STATEMENTS {
            self.statements.clear();
        }
        let statement = self.client.prepare(&numbered(sql));
        let statement = statement.map_err(|problem| words(&problem))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Shows each row as it comes, until `on` wants no more.
    pub(super) fn each(
        &mut self,
        sql: &str,
        values: &[Value],
        mut on: impl FnMut(&Row) -> Result<bool, String>,
    ) -> Result<(), String> {
        let statement = self.prepared(sql)?;
        let found = self.client.query_raw(&statement, values);
        let mut found = found.map_err(|problem| words(&problem))?;
        while let Some(row) = found.next().map_err(|problem| words(&problem))? {
            if !on(&row)? {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn execute(&mut self, sql: &str, values: &[Value]) -> Result<usize, String> {
        let statement = self.prepared(sql)?;
        let changed = self.client.execute(&statement, &shown(values));
        changed
            .map(|count| count as usize)
            .map_err(|problem| words(&problem))
    }

    /// The next notification, for which it waits some time.
    pub(super) fn notification(
        &mut self,
        patience: std::time::Duration,
    ) -> Result<Option<String>, String> {
        let mut notifications = self.client.notifications();
        let next = notifications.timeout_iter(patience).next();
        let next = next.map_err(|problem| words(&problem))?;
        Ok(next.map(|notification| notification.payload().to_owned()))
    }
}

fn shown(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

/// The values as PostgreSQL names them: `?2` is `$2`, and each `?` without a number the next one.
fn numbered(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len() + 16);
    let mut count = 0;
    let mut is_quoted = false;
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        is_quoted ^= c == '\'';
        if c != '?' || is_quoted {
            text.push(c);
            continue;
        }
        text.push('$');
        if !rest.peek().is_some_and(char::is_ascii_digit) {
            count += 1;
            text += &count.to_string();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered() {
        assert_eq!(numbered("a = ? AND b = ?"), "a = $1 AND b = $2");
        assert_eq!(numbered("a = ?2 AND b = ?1"), "a = $2 AND b = $1");
        assert_eq!(numbered("a = '?' AND b = ?"), "a = '?' AND b = $1");
    }
}
