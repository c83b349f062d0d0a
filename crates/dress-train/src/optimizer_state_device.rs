//! An optimizer's state on the model's own device.

use dress_core::burn::optim::{Optimizer, RecordState, StateSink, StateSource};
use dress_core::burn::tensor::{Device, Tensor};
use std::cell::RefCell;

/// An optimizer whose state is read to the device that [`reading_to`] names. Burn reads it to the default
/// device and moves it from there in the next step, which a program that is built for a card cannot do
/// without one.
#[derive(Clone)]
pub(crate) struct Placed<O>(pub O);

/// The state of a [`Placed`] optimizer, recorded as the optimizer's own.
#[derive(Clone)]
pub(crate) struct PlacedState<S>(S);

thread_local! {
    static PLACE: RefCell<Option<Device>> = const { RefCell::new(None) };
}

/// What `read` makes, the states that it reads on `device`, off the autodiff graph.
pub(crate) fn reading_to<R>(device: &Device, read: impl FnOnce() -> R) -> R {
    PLACE.set(Some(device.clone().inner()));
    let read = read();
    PLACE.set(None);
    read
}

impl<S: RecordState> RecordState for PlacedState<S> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        self.0.state_flatten(prefix, out);
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let place = PLACE.with_borrow(Option::clone);
        S::state_unflatten(prefix, source, place.as_ref().unwrap_or(device)).map(Self)
    }
}

impl<O: Optimizer> Optimizer for Placed<O> {
    type State<const D: usize> = PlacedState<O::State<D>>;

    fn step<const D: usize>(
        &self,
        lr: f64,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let (tensor, state) = self.0.step(lr, tensor, grad, state.map(|state| state.0));
        (tensor, state.map(PlacedState))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        PlacedState(O::to_device(state.0, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state that knows where it was read to.
    struct Seen(Device);

    impl RecordState for Seen {
        fn state_flatten(&self, _: &str, _: &mut StateSink) {}

        fn state_unflatten(_: &str, _: &mut StateSource, device: &Device) -> Option<Self> {
            Some(Self(device.clone()))
        }
    }

    #[test]
    fn a_state_is_read_to_the_named_device_off_the_graph() {
        let (default, named) = (Device::flex().autodiff(), Device::flex());
        let is_on_the_default = || {
            let state = PlacedState::<Seen>::state_unflatten("", &mut StateSource::default(), &default);
            // Devices of both kinds are equal.
            state.expect("it is always there").0.0.is_autodiff()
        };
        assert!(is_on_the_default());
        assert!(!reading_to(&named, is_on_the_default));
        assert!(!reading_to(&named.autodiff(), is_on_the_default));
        assert!(is_on_the_default());
    }
}
