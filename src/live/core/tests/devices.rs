//! Which device gives way when a person opens one more than the creator allows.

use proptest::prelude::*;

use super::{T0, user, viewer};
use crate::{
    live::core::audience::{Audience, DeviceRule, Replaced},
    storefront::core::experience::DevicePolicy,
};

fn dropping(devices_max: usize) -> DeviceRule {
    DeviceRule { devices_max, policy: DevicePolicy::DropOldest }
}

/// A person on devices whose limit is two.
#[derive(Default)]
struct Person(Audience);

impl Person {
    /// The devices that give way when this one is opened at this place.
    fn opens(&mut self, place: u128, device: &str) -> Vec<String> {
        let replaced = self.0.admit(viewer(place), user(1), device, false, dropping(2)).unwrap();
        replaced.into_iter().map(|one| one.device).collect()
    }
}

#[test]
fn survive_093_one_device_more_takes_the_place_of_the_one_that_came_first() {
    let mut person = Person::default();
    assert!(person.opens(1, "tv").is_empty() && person.opens(2, "phone").is_empty());
    assert!(person.0.has_room(user(1), "laptop", dropping(2)), "there is always room");
    assert_eq!(person.opens(3, "laptop"), ["tv"]);
    assert_eq!(person.opens(4, "tablet"), ["phone"]);
    assert_eq!(person.opens(5, "tv"), ["laptop"], "one that comes again is the newest");
    assert_eq!((person.0.count().now, person.0.count().users), (2, 1));
    let stranger = person.0.admit(viewer(9), user(2), "tv", false, dropping(1)).unwrap();
    assert_eq!((stranger, person.0.count().now), (vec![], 3), "another person's devices are their own");
}

#[test]
fn a_second_socket_or_a_reload_of_a_device_is_no_newcomer_and_keeps_its_turn() {
    let mut person = Person::default();
    person.opens(1, "tv");
    person.opens(2, "phone");
    assert!(person.opens(3, "tv").is_empty(), "a second tab");
    assert!(person.opens(2, "phone").is_empty(), "an overlapping reconnect");
    person.0.settle(T0, viewer(1), 0);
    person.0.settle(T0, viewer(3), 0);
    assert!(person.opens(4, "tv").is_empty(), "a reload");
    assert!(person.opens(5, "tv").is_empty(), "and a second tab of that");
    let replaced = person.0.admit(viewer(6), user(1), "laptop", false, dropping(2)).unwrap();
    let viewers = vec![viewer(4), viewer(5)];
    assert_eq!(replaced, [Replaced { device: "tv".to_owned(), viewers }], "with every place it has");
    assert!(!person.0.holds(viewer(4)) && !person.0.holds(viewer(5)));
}

#[test]
fn a_device_where_nobody_sits_any_more_gives_way_before_one_where_somebody_does() {
    let mut person = Person::default();
    person.opens(1, "tv");
    person.opens(2, "phone");
    person.0.settle(T0, viewer(2), 0);
    assert_eq!(person.opens(3, "laptop"), ["phone"]);
    assert_eq!(person.opens(4, "tablet"), ["tv"]);
}

#[test]
fn a_limit_that_was_lowered_makes_room_for_the_newcomer_alone_and_staff_is_exempt() {
    let mut person = Person::default();
    for (place, device) in [(1, "tv"), (2, "phone"), (3, "laptop")] {
        person.0.admit(viewer(place), user(1), device, false, dropping(3)).unwrap();
    }
    let desk = person.0.admit(viewer(4), user(1), "desk", true, dropping(1)).unwrap();
    assert_eq!((desk, person.0.count().now), (vec![], 4));
    let replaced = person.0.admit(viewer(5), user(1), "tablet", false, dropping(1)).unwrap();
    let devices: Vec<_> = replaced.iter().map(|one| one.device.as_str()).collect();
    assert_eq!(devices, ["tv", "phone", "laptop"]);
    assert!(person.0.holds(viewer(4)), "who runs the room counts nowhere and gives way to nobody");
}

#[test]
fn survive_094_of_twenty_devices_at_once_the_last_two_to_come_are_left() {
    let mut person = Person::default();
    let replaced: Vec<String> = (0..20).flat_map(|number| person.opens(number, &format!("device-{number}"))).collect();
    assert_eq!(replaced, (0..18).map(|number| format!("device-{number}")).collect::<Vec<_>>());
    let left: Vec<u128> = (0..20).filter(|number| person.0.holds(viewer(*number))).collect();
    assert_eq!(left, [18, 19]);
}

proptest! {
    /// Against a list of devices in the order in which they came, each with the sockets that sit there.
    #[test]
    fn the_devices_that_are_left_are_those_of_a_naive_list(
        story in prop::collection::vec((any::<bool>(), 0_u128..5), 0..60), most in 1_usize..4,
    ) {
        let mut audience = Audience::default();
        let mut list: Vec<(u128, u32)> = vec![];
        for (opens, device) in story {
            let name = device.to_string();
            if opens {
                let replaced = audience.admit(viewer(device), user(1), &name, false, dropping(most)).unwrap();
                let mut expected = vec![];
                if let Some((_, sockets)) = list.iter_mut().find(|(known, _)| *known == device) {
                    *sockets += 1;
                } else {
                    while list.len() >= most {
                        let absent = list.iter().position(|(_, sockets)| *sockets == 0);
                        expected.push(list.remove(absent.unwrap_or(0)).0.to_string());
                    }
                    list.push((device, 1));
                }
                let replaced: Vec<String> = replaced.into_iter().map(|one| one.device).collect();
                prop_assert_eq!(replaced, expected);
            } else if let Some((_, sockets)) = list.iter_mut().find(|(known, sockets)| *known == device && *sockets > 0) {
                *sockets -= 1;
                audience.settle(T0, viewer(device), *sockets);
            }
            prop_assert_eq!(audience.count().now as usize, list.len());
        }
    }
}
