//! Which addresses a server of somebody else's may send us to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of network an address is on (IANA's special-purpose registries, RFC 6890).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Reachable by anyone.
    Public,
    /// This machine: 127.0.0.0/8, ::1.
    Loopback,
    /// A network of somebody's own: 10/8, 172.16/12, 192.168/16, fc00::/7.
    Private,
    /// Behind a provider's translation, or an overlay network: 100.64.0.0/10.
    SharedNat,
    /// This link, where cloud machines serve their credentials: 169.254/16, fe80::/10.
    LinkLocal,
    /// Nobody's: unspecified, multicast, broadcast, documentation, benchmarks, reserved.
    Special,
}

impl AddressClass {
    /// The class of an address; one that holds an IPv4 address (mapped, compatible, NAT64, 6to4) is of that one's.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    fn of_v4(v4: Ipv4Addr) -> Self {
        let [a, b, c, _] = v4.octets();
        match (a, b, c) {
            (127, ..) => Self::Loopback,
            (10, ..) | (172, 16..=31, _) | (192, 168, _) => Self::Private,
            (100, 64..=127, _) => Self::SharedNat,
            (169, 254, _) => Self::LinkLocal,
            (0 | 224..=255, ..)
            | (192, 0, 0 | 2)
            | (198, 18..=19, _)
            | (198, 51, 100)
            | (203, 0, 113)
            | (192, 88, 99) => Self::Special,
            _ => Self::Public,
        }
    }

    fn of_v6(v6: Ipv6Addr) -> Self {
        let [a, b, c, d, e, f, g, h] = v6.segments();
        let embedded = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match (a, b, c, d, e, f) {
            (0, 0, 0, 0, 0, 0) if (g, h) == (0, 1) => Self::Loopback,
            // ::ffff:0:0/96 mapped, ::ffff:0:0:0/96 translated, ::/96 compatible, which has the unspecified in it.
            (0, 0, 0, 0, 0, 0 | 0xffff) | (0, 0, 0, 0, 0xffff, 0) => embedded(g, h),
            // 64:ff9b::/96, NAT64; 64:ff9b:1::/48, the same within a network.
            (0x64, 0xff9b, 0, 0, 0, 0) => embedded(g, h),
            (0x64, 0xff9b, 1, ..) => Self::Private,
            (0x2002, ..) => embedded(b, c), // 6to4
            (0xfc00..=0xfdff, ..) => Self::Private,
            (0xfe80..=0xfebf, ..) => Self::LinkLocal,
            // Teredo hides its address; documentation, benchmarks, ORCHID.
            (0x2001, 0 | 2 | 0x0db8 | 0x10..=0x2f, ..) | (0x3fff, 0..=0x0fff, ..) => Self::Special,
            (0x2000..=0x3fff, ..) => Self::Public,
            _ => Self::Special, // all else is not global unicast
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::SharedNat => "shared (carrier NAT)",
            Self::LinkLocal => "link-local",
            Self::Special => "special-purpose",
        })
    }
}

/// Where requests of one chain of redirects may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// Public addresses.
    Public,
    /// These, and public ones.
    Class(AddressClass),
    /// Wherever the operator's own configuration leads.
    Configured,
}

impl Reach {
    /// Whether an address is within reach. Special ones never are.
    pub(crate) fn allows(self, class: AddressClass) -> bool {
        match (self, class) {
            (_, AddressClass::Special) => false,
            (_, AddressClass::Public) | (Self::Configured, _) => true,
            (Self::Class(own), class) => own == class,
            (Self::Public, _) => false,
        }
    }

    /// What is within reach of a server at an address of this class: it never grows.
    pub(crate) fn after(self, class: AddressClass) -> Self {
        match (self, class) {
            (_, AddressClass::Public) | (Self::Public, _) => Self::Public,
            (_, class) => Self::Class(class),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(text: &str) -> AddressClass {
        AddressClass::of(text.parse().unwrap())
    }

    #[test]
    fn known_addresses() {
        use AddressClass as C;
        for (address, expected) in [
            ("1.1.1.1", C::Public),
            ("172.15.255.255", C::Public),
            ("172.32.0.0", C::Public),
            ("100.63.255.255", C::Public),
            ("192.0.1.1", C::Public),
            ("127.0.0.1", C::Loopback),
            ("127.255.255.254", C::Loopback),
            ("10.0.0.1", C::Private),
            ("172.16.0.1", C::Private),
            ("172.31.255.255", C::Private),
            ("192.168.1.1", C::Private),
            ("100.64.0.1", C::SharedNat),
            ("100.127.255.255", C::SharedNat),
            ("169.254.169.254", C::LinkLocal),
            ("0.0.0.0", C::Special),
            ("0.1.2.3", C::Special),
            ("224.0.0.1", C::Special),
            ("255.255.255.255", C::Special),
            ("192.0.2.1", C::Special),
            ("198.18.0.1", C::Special),
            ("::", C::Special),
            ("::1", C::Loopback),
            ("::2", C::Special),
            ("::ffff:127.0.0.1", C::Loopback),
            ("::ffff:10.1.1.1", C::Private),
            ("::ffff:8.8.8.8", C::Public),
            ("::127.0.0.1", C::Loopback),
            ("::ffff:0:169.254.169.254", C::LinkLocal),
            ("64:ff9b::a9fe:a9fe", C::LinkLocal),
            ("64:ff9b::808:808", C::Public),
            ("64:ff9b:1::1", C::Private),
            ("2002:7f00:1::", C::Loopback),
            ("2002:808:808::", C::Public),
            ("2001:0:1::1", C::Special),
            ("2001:db8::1", C::Special),
            ("2606:4700::1111", C::Public),
            ("fc00::1", C::Private),
            ("fdff::1", C::Private),
            ("fe80::1", C::LinkLocal),
            ("fec0::1", C::Special),
            ("ff02::1", C::Special),
            ("4000::1", C::Special),
        ] {
            assert_eq!(class(address), expected, "{address}");
        }
    }

    fn any_class() -> impl Strategy<Value = AddressClass> {
        any::<u32>().prop_map(|bits| AddressClass::of(IpAddr::V4(bits.into())))
    }

    proptest! {
        /// The standard library's own predicates, where they are stable.
        #[test]
        fn agrees_with_the_standard_library(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let class = AddressClass::of(v4.into());
            prop_assert_eq!(class == AddressClass::Loopback, v4.is_loopback());
            prop_assert_eq!(class == AddressClass::Private, v4.is_private());
            prop_assert_eq!(class == AddressClass::LinkLocal, v4.is_link_local());
            if v4.is_multicast() || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified() {
                prop_assert_eq!(class, AddressClass::Special);
            }
            prop_assert_eq!(AddressClass::of(v4.to_ipv6_mapped().into()), class);
        }

        /// However a chain of redirects goes, nothing but public comes into reach that was not before.
        #[test]
        fn reach_never_grows(first in any_class(), then in prop::collection::vec(any_class(), 0..6), asked in any_class()) {
            let mut reach = Reach::Configured.after(first);
            for class in then {
                if reach.allows(class) {
                    let next = reach.after(class);
                    prop_assert!(!next.allows(asked) || reach.allows(asked));
                    reach = next;
                }
            }
            prop_assert!(!reach.allows(asked) || asked == AddressClass::Public || asked == first);
            prop_assert!(!Reach::Public.allows(asked) || asked == AddressClass::Public);
        }
    }
}
