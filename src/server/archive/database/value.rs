//! What statements are given, and what rows have.

use postgres::types::private::BytesMut;
use postgres::types::{to_sql_checked, FromSql, IsNull, ToSql, Type};
use rusqlite::types::{ToSqlOutput, ValueRef};

type Problem = Box<dyn std::error::Error + Sync + Send>;

/// A value of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server::archive) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    /// Pieces of words, for PostgreSQL.
    Pieces(Vec<i32>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Integer(is_so.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&&str> for Value {
    fn from(text: &&str) -> Self {
        Self::Text((*text).to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::Pieces(_) => return Err(rusqlite::Error::InvalidQuery),
        }))
    }
}

impl ToSql for Value {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Problem> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) if *of == Type::INT4 => i32::try_from(*number)?.to_sql(of, out),
            Self::Integer(number) => number.to_sql(of, out),
            Self::Text(text) => without_nul(text, of).to_sql(&Type::TEXT, out),
            Self::Bytes(bytes) => bytes.to_sql(of, out),
            Self::Pieces(pieces) => pieces.to_sql(of, out),
        }
    }

    /// A value that does not fit is refused by the database: the statements are all ours.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// PostgreSQL's texts have no character 0, also none that is escaped in JSON; strangers' have.
fn without_nul(text: &str, of: &Type) -> String {
    let text = text.replace('\0', "\u{fffd}");
    if *of == Type::JSON {
        return text.replace("\\u0000", "\\ufffd");
    }
    text
}

/// A value of a row.
pub(in crate::server::archive) enum Cell<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(of: &Type, raw: &'a [u8]) -> Result<Self, Problem> {
        Ok(match *of {
            Type::BOOL => Self::Integer(bool::from_sql(of, raw)?.into()),
            Type::INT2 => Self::Integer(i16::from_sql(of, raw)?.into()),
            Type::INT4 => Self::Integer(i32::from_sql(of, raw)?.into()),
            Type::INT8 => Self::Integer(i64::from_sql(of, raw)?),
            Type::FLOAT8 => Self::Real(f64::from_sql(of, raw)?),
            Type::BYTEA => Self::Bytes(raw),
            _ => Self::Text(std::str::from_utf8(raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Problem> {
        Ok(Self::Null)
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A row.
pub(in crate::server::archive) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a postgres::Row),
}

impl Row<'_> {
    /// The value of a column, counted from 0.
    pub(in crate::server::archive) fn get<T: Column>(&self, at: usize) -> Result<T, String> {
        let cell = match self {
            Self::Sqlite(row) => match row.get_ref(at).map_err(|error| error.to_string())? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(number) => Cell::Integer(number),
                ValueRef::Real(number) => Cell::Real(number),
                ValueRef::Text(text) => {
                    Cell::Text(std::str::from_utf8(text).map_err(|error| error.to_string())?)
                }
                ValueRef::Blob(bytes) => Cell::Bytes(bytes),
            },
            Self::Postgres(row) => row.try_get(at).map_err(|error| error.to_string())?,
        };
        T::of(&cell).ok_or_else(|| format!("column {at} has another type"))
    }
}

/// What a column can be read as.
pub(in crate::server::archive) trait Column: Sized {
    fn of(cell: &Cell) -> Option<Self>;
}

impl Column for i64 {
    fn of(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

impl Column for f64 {
    fn of(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Real(number) => Some(*number),
            _ => None,
        }
    }
}

impl Column for bool {
    fn of(cell: &Cell) -> Option<Self> {
        i64::of(cell).map(|number| number != 0)
    }
}

impl Column for String {
    fn of(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Text(text) => Some((*text).to_owned()),
            _ => None,
        }
    }
}

impl Column for Vec<u8> {
    fn of(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Bytes(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn of(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::of(cell).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_for_postgresql_has_no_nul() {
        assert_eq!(without_nul("a\0b", &Type::TEXT), "a\u{fffd}b");
        assert_eq!(without_nul("\\u0000", &Type::TEXT), "\\u0000");
        assert_eq!(
            without_nul("{\"n\":\"\\u0000\"}", &Type::JSON),
            "{\"n\":\"\\ufffd\"}"
        );
    }
}
