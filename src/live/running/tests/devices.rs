//! A device that gives way to another one: its sockets, its place, its way into the room, and its ticket.

use futures_util::FutureExt;

use super::{EXPERIENCE, House, SECOND, seat};
use crate::{
    ids::ViewerId,
    limits::DEVICE_REPLACED_KEPT,
    live::{
        order::{AdmitRefusal, Coming, Order},
        rights::Right,
        seating::Chair,
    },
    socket::codes::CloseCode,
    supervision::Reply,
};

const HOST: u128 = 7;

impl House {
    /// A device of one person comes; its chair, or why it has none.
    fn comes(&mut self, session: u128, device: &str, coming: Coming) -> Result<Chair, AdmitRefusal> {
        let seat = seat(HOST, session, device);
        let chair = self.seating.arrive(seat.clone());
        let (reply, answer) = Reply::pair();
        self.take(Order::Admit(seat.clone(), chair, coming, reply));
        let admitted = answer.now_or_never().expect("an answer at once").expect("an answer");
        if admitted.is_err() {
            self.seating.leave(&seat, chair);
        }
        admitted.map(|()| chair)
    }

    fn closed(&self) -> Vec<u128> {
        let closed: Vec<(ViewerId, CloseCode)> = std::mem::take(&mut *self.told.1.lock().unwrap());
        assert!(closed.iter().all(|(_, code)| *code == CloseCode::Replaced));
        closed.into_iter().map(|(viewer, _)| viewer.0.as_u128()).collect()
    }

    fn may_be_in_the_room(&self, device: &str) -> bool {
        let identity = format!("{}:{device}", seat(HOST, 0, device).user);
        matches!(self.running.right(&identity), Right::Yes { .. })
    }
}

#[test]
fn a_device_that_gave_way_is_closed_with_all_it_has_and_is_put_out_of_the_room() {
    let mut house = House::live();
    house.answer("RM_1", true);
    for (session, device) in [(1_001, "tv"), (1_002, "tv"), (1_003, "phone")] {
        house.comes(session, device, Coming::Anew).unwrap();
    }
    assert!(house.closed().is_empty() && house.removed.is_empty());
    house.comes(1_004, "laptop", Coming::Anew).unwrap();
    assert_eq!(house.closed(), [1_001, 1_002]);
    let television = format!("{}:tv", seat(HOST, 0, "tv").user);
    assert_eq!(house.removed, [television]);
    assert_eq!(["tv", "phone", "laptop"].map(|device| house.may_be_in_the_room(device)), [false, true, true]);
    assert_eq!(house.running.view(house.now).audience.users, 3, "with the two who were here before");
}

#[test]
fn its_ticket_is_void_until_it_comes_anew() {
    let mut house = House::live();
    for (session, device) in [(1_001, "tv"), (1_002, "phone"), (1_003, "laptop")] {
        house.comes(session, device, Coming::Anew).unwrap();
    }
    assert_eq!(house.closed(), [1_001]);
    assert_eq!(house.comes(1_001, "tv", Coming::Back), Err(AdmitRefusal::Replaced));
    assert!(house.closed().is_empty(), "it puts nobody out in turn");
    assert!(house.comes(1_002, "phone", Coming::Back).is_ok(), "others come back as ever");
    house.comes(1_004, "tv", Coming::Anew).unwrap();
    assert_eq!(house.closed(), [1_002]);
    assert!(house.comes(1_004, "tv", Coming::Back).is_ok() && house.may_be_in_the_room("tv"));
    house.now = house.now.plus(DEVICE_REPLACED_KEPT);
    house.seating.forget_replaced(house.now);
    assert!(house.comes(1_002, "phone", Coming::Back).is_ok(), "one that was away that long is a newcomer");
    assert_eq!(house.closed(), [1_003]);
}

#[test]
fn whoever_counts_anew_does_not_give_it_its_place_back_while_its_socket_is_still_closing() {
    let mut house = House::live();
    let mut chairs = vec![];
    for (session, device) in [(1_001, "tv"), (1_002, "phone"), (1_003, "laptop")] {
        chairs.push(house.comes(session, device, Coming::Anew).unwrap());
    }
    let now = |house: &House| house.running.view(house.now).audience.now;
    assert_eq!(now(&house), 4);
    house.seating.unheard(EXPERIENCE);
    house.wait(2 * SECOND);
    assert_eq!(now(&house), 4);
    let television = seat(HOST, 1_001, "tv");
    assert!(!house.seating.leave(&television, chairs[0]), "nobody has to be told of what has no place");
    house.comes(1_004, "tv", Coming::Anew).unwrap();
    house.comes(1_005, "tv", Coming::Anew).unwrap();
    assert_eq!(now(&house), 5, "the laptop and two tabs of the television, beside the two who were here before");
}
