//! One test for each program.

/// Tests that take the name of a program.
macro_rules! for_each_of {
    ($programs:tt, $($test:ident),* $(,)?) => {
        $($crate::shared::each_of!($programs, $test);)*
    };
}

macro_rules! each_of {
    ([$($program:ident),*], $test:ident) => {
        mod $test {
            $(#[test] fn $program() { super::$test(stringify!($program)); })*
        }
    };
}

pub(crate) use {each_of, for_each_of};
