//! Python's random numbers, so that few-shot examples are the ones that `lm_eval` draws.

const SIZE: usize = 624;
const SHIFT: usize = 397;

/// CPython's `random.Random` (MT19937, Matsumoto and Nishimura 1998), as far as `sample` needs it.
#[derive(Debug, Clone)]
pub struct MersenneTwister {
    state: [u32; SIZE],
    index: usize,
}

impl MersenneTwister {
    /// `random.Random(seed)`.
    pub fn new(seed: u32) -> Self {
        let mut state = [0u32; SIZE];
        state[0] = 19_650_218;
        for i in 1..SIZE {
            let before = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(i as u32);
        }
        let mut i = 1;
        let mut step = |state: &mut [u32; SIZE], factor: u32, by: &dyn Fn(usize) -> u32| {
            let before = state[i - 1];
            let mixed = state[i] ^ (before ^ (before >> 30)).wrapping_mul(factor);
            state[i] = mixed.wrapping_add(by(i));
            i += 1;
            if i >= SIZE {
                state[0] = state[SIZE - 1];
                i = 1;
            }
        };
        for _ in 0..SIZE {
            step(&mut state, 1_664_525, &|_| seed);
        }
        for _ in 1..SIZE {
            step(&mut state, 1_566_083_941, &|i| (i as u32).wrapping_neg());
        }
        state[0] = 0x8000_0000;
        Self { state, index: SIZE }
    }

    /// `random.sample(range(len), count)`.
    ///
    /// # Panics
    /// Where `count > len`.
    pub fn sample(&mut self, len: usize, count: usize) -> Vec<usize> {
        assert!(count <= len, "cannot draw {count} of {len}");
        let mut set_size = 21;
        if count > 5 {
            set_size += 4usize.pow((count as f64 * 3.0).log(4.0).ceil() as u32);
        }
        if len <= set_size {
            let mut pool: Vec<usize> = (0..len).collect();
            let draw = |drawn: usize| {
                let left = len - drawn;
                let chosen = self.below(left);
                let value = pool[chosen];
                pool[chosen] = pool[left - 1];
                value
            };
            return (0..count).map(draw).collect();
        }
        let mut drawn = Vec::with_capacity(count);
        while drawn.len() < count {
            let chosen = self.below(len);
            if !drawn.contains(&chosen) {
                drawn.push(chosen);
            }
        }
        drawn
    }

    fn below(&mut self, bound: usize) -> usize {
        let bits = usize::BITS - bound.leading_zeros();
        loop {
            let drawn = (self.next() >> (32 - bits)) as usize;
            if drawn < bound {
                return drawn;
            }
        }
    }

    fn next(&mut self) -> u32 {
        if self.index >= SIZE {
            self.twist();
        }
        let mut y = self.state[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..SIZE {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % SIZE] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + SHIFT) % SIZE] ^ (y >> 1) ^ odd;
        }
        self.index = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are what Python 3.12's `random` says.
    #[test]
    fn the_draws_are_python_s() {
        let mut random = MersenneTwister::new(1234);
        assert_eq!(random.sample(1000, 6), [989, 796, 451, 119, 7, 92]);
        assert_eq!(random.sample(10, 4), [9, 0, 1, 8]);
        assert_eq!(random.sample(40, 8), [22, 15, 1, 37, 36, 39, 30, 29]);
        assert_eq!(random.sample(5, 5), [1, 0, 3, 2, 4]);
        let mut random = MersenneTwister::new(7);
        let last = (0..120).map(|_| random.sample(300, 3)).last();
        assert_eq!(last.unwrap(), [229, 70, 213]);
    }
}
