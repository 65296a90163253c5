//! A bucket with recordings: what the archive asks object storage for. Built without the feature `s3`
//! there can be none.

#[cfg(feature = "s3")]
pub(super) use with_s3::Bucket;
#[cfg(not(feature = "s3"))]
pub(super) use without_s3::Bucket;

/// The numbers of places: those of folders are less.
pub(super) const FIRST_BUCKET: i64 = 1000;

/// An object.
pub(super) struct BucketObject {
    /// Below the prefix of the configuration.
    pub(super) key: String,
    pub(super) size: u64,
    /// Changes with its content.
    pub(super) tag: String,
}

#[cfg(feature = "s3")]
mod with_s3 {
    use std::fs::File;

    use crate::server::archive::bucket::BucketObject;
    use crate::server::record::store::Store;

    /// The most that is read of a sidecar or of a record.
    const SMALL_BYTES: u64 = 4 << 20;

    pub(in crate::server::archive) struct Bucket {
        store: Store,
        url: String,
    }

    impl Bucket {
        /// `s3://bucket/prefix`; where and as whom is in the environment.
        pub(in crate::server::archive) fn open(
            url: &str,
            authorities: Option<&str>,
        ) -> Result<Self, String> {
            let store = Store::open(url, authorities)?;
            let url = url.trim_end_matches('/').to_owned();
            Ok(Self { store, url })
        }

        pub(in crate::server::archive) fn url(&self) -> &str {
            &self.url
        }

        /// Where an error was.
        fn at<T>(&self, result: Result<T, String>) -> Result<T, String> {
            result.map_err(|problem| format!("{}: {problem}", self.url))
        }

        pub(in crate::server::archive) fn list(
            &self,
            below: &str,
            each: &mut dyn FnMut(BucketObject) -> Result<(), String>,
        ) -> Result<(), String> {
            let listed = self.store.list(below, &mut |object| {
                each(BucketObject {
                    key: object.key,
                    size: object.size,
                    tag: object.tag,
                })
            });
            self.at(listed)
        }

        /// A small object; `None`: there is none.
        pub(in crate::server::archive) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, String> {
            self.at(self.store.get(key, SMALL_BYTES))
        }

        /// Copies an object of about so many bytes; `false`: there is none.
        pub(in crate::server::archive) fn fetch(
            &self,
            key: &str,
            bytes: u64,
            file: &mut File,
        ) -> Result<bool, String> {
            self.at(self.store.fetch(key, bytes, file))
        }

        /// Writes a small object; `false`: there was one of that name, which stays.
        pub(in crate::server::archive) fn put_new(
            &self,
            key: &str,
            bytes: &[u8],
        ) -> Result<bool, String> {
            self.at(self.store.put_new(key, bytes))
        }

        /// Deletes an object, also one that is not there.
        pub(in crate::server::archive) fn delete(&self, key: &str) -> Result<(), String> {
            self.at(self.store.delete(key))
        }
    }
}

#[cfg(not(feature = "s3"))]
mod without_s3 {
    use std::convert::Infallible;
    use std::fs::File;

    use crate::server::archive::bucket::BucketObject;

    pub(in crate::server::archive) struct Bucket(Infallible);

    impl Bucket {
        pub(in crate::server::archive) fn open(url: &str, _: Option<&str>) -> Result<Self, String> {
            let words = "this program was built without buckets; build it with the feature s3";
            Err(format!("--store {url}: {words}"))
        }

        pub(in crate::server::archive) fn url(&self) -> &str {
            match self.0 {}
        }

        pub(in crate::server::archive) fn list(
            &self,
            _: &str,
            _: &mut dyn FnMut(BucketObject) -> Result<(), String>,
        ) -> Result<(), String> {
            match self.0 {}
        }

        pub(in crate::server::archive) fn get(&self, _: &str) -> Result<Option<Vec<u8>>, String> {
            match self.0 {}
        }

        pub(in crate::server::archive) fn fetch(
            &self,
            _: &str,
            _: u64,
            _: &mut File,
        ) -> Result<bool, String> {
            match self.0 {}
        }

        pub(in crate::server::archive) fn put_new(
            &self,
            _: &str,
            _: &[u8],
        ) -> Result<bool, String> {
            match self.0 {}
        }

        pub(in crate::server::archive) fn delete(&self, _: &str) -> Result<(), String> {
            match self.0 {}
        }
    }
}
