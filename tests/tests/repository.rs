//! The rules of the repository.
