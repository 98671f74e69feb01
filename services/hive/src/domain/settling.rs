//! When the memory of a process that ended is free again.
//!
//! A driver gives a GPU's memory back some time after the process is gone: it takes its contexts down first. A worker
//! that is started before would find less than was promised.

/// What is seen of a device at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether the driver still lists the process.
    pub listed: bool,
    /// What is free, in bytes, where known.
    pub free_bytes: Option<u64>,
}

/// Tells from one look after the other when to go on.
#[derive(Debug, Default)]
pub struct Settling {
    unlisted: Option<Look>,
}

impl Settling {
    /// Whether the process's memory is free as far as can be seen: the driver has not listed it twice in a row, and
    /// between the two no more memory has become free. Less may: others take some meanwhile.
    pub fn is_over(&mut self, look: Look) -> bool {
        if look.listed {
            self.unlisted = None;
            return false;
        }
        let before = self.unlisted.replace(look);
        before.is_some_and(|before| look.free_bytes <= before.free_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(looks: &[(bool, Option<u64>)]) -> Vec<bool> {
        let mut settling = Settling::default();
        looks
            .iter()
            .map(|&(listed, free_bytes)| settling.is_over(Look { listed, free_bytes }))
            .collect()
    }

    #[test]
    fn it_waits_while_listed_and_while_memory_comes_back() {
        let looks = [
            (true, Some(10)),
            (false, Some(10)),
            (false, Some(40)),
            (false, Some(80)),
            (false, Some(80)),
        ];
        assert_eq!(over(&looks), [false, false, false, false, true]);
    }

    #[test]
    fn others_may_take_what_became_free() {
        assert_eq!(over(&[(false, Some(80)), (false, Some(30))]), [false, true]);
    }

    #[test]
    fn listed_again_is_not_gone() {
        let looks = [
            (false, Some(80)),
            (true, Some(80)),
            (false, Some(80)),
            (false, Some(80)),
        ];
        assert_eq!(over(&looks), [false, false, false, true]);
    }

    #[test]
    fn without_numbers_the_list_decides() {
        assert_eq!(
            over(&[(true, None), (false, None), (false, None)]),
            [false, false, true]
        );
    }
}
