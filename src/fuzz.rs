//! The bodies of the fuzz targets (tests/fuzz): any bytes go in, nothing may panic, and what comes out
//! must be consistent.
