//! The journal as a whole: on a simulated disk that crashes and fails, on
//! damaged files, and on real files.

mod crashes;
mod damage;
pub(super) mod disk;
mod faults;
mod fixture;
mod held_directory;
mod live_reader;
mod live_writes;
mod pending_crashes;
mod pending_start;
mod pending_verify;
mod random;
mod real_files;
mod retention;
mod rewound;
mod round_trip;
mod salvage;
mod salvage_random;
mod versions;
