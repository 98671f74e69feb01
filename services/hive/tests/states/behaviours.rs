//! A test for each row of the table: a worker in each state does it, at the same time, at one hive.

use crate::scene;
use crate::table;

macro_rules! rows {
    ($($row:ident),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $row() {
                scene::play(&table::$row()).await;
            }
        )+

        #[test]
        fn every_row_of_the_table_is_a_test() {
            let tested = [$(table::$row().words),+];
            let words: Vec<_> = table::rows().iter().map(|row| row.words).collect();
            assert_eq!(words, tested);
        }
    };
}

rows![
    exits_with_0,
    exits_with_1,
    exits_with_139,
    dies_by_sigsegv,
    dies_by_sigkill,
    dies_by_sigabrt,
    dies_by_sigill,
    has_no_device_memory,
    lacks_a_library,
    panics,
    reports_a_corrupt_model,
    reports_what_nobody_knows,
    never_gets_ready,
    is_ready_without_health,
    hangs,
    stalls,
    loads_slowly,
    ignores_term,
    forks,
    forks_a_daemon,
    floods_its_log,
    leaks_memory,
];
