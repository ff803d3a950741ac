// The noise of a picture: NumPy's `RandomState([seed, row]).standard_normal(size)`, whose streams
// never change (NEP 19). Mersenne Twister MT19937 by Matsumoto and Nishimura, seeded by an array,
// and Marsaglia's polar method. So a seed gives the same noise as in `generate`.

const LENGTH = 624; // of the state, in words of 32 bits
const SHIFT = 397;

function seededState(key) {
  const state = new Uint32Array(LENGTH);
  state[0] = 19650218;
  for (let i = 1; i < LENGTH; i++) {
    state[i] = Math.imul(1812433253, state[i - 1] ^ (state[i - 1] >>> 30)) + i;
  }
  let place = 1;
  const mix = (factor, added) => {
    const before = state[place - 1];
    state[place] = (state[place] ^ Math.imul(before ^ (before >>> 30), factor)) + added(place);
    if (++place === LENGTH) {
      state[0] = state[LENGTH - 1];
      place = 1;
    }
  };
  for (let i = 0; i < LENGTH; i++) mix(1664525, () => key[i % key.length] + (i % key.length));
  for (let i = 1; i < LENGTH; i++) mix(1566083941, (at) => -at);
  state[0] = 0x80000000;
  return state;
}

function renew(state) {
  for (let i = 0; i < LENGTH; i++) {
    const next = state[(i + 1) % LENGTH];
    const both = (state[i] & 0x80000000) | (next & 0x7fffffff);
    state[i] = state[(i + SHIFT) % LENGTH] ^ (both >>> 1) ^ (next & 1 ? 0x9908b0df : 0);
  }
}

// Returns a function that returns the next number in [0, 1), with 53 bits.
function uniformNumbers(key) {
  const state = seededState(key);
  let place = LENGTH;
  const word = () => {
    if (place === LENGTH) {
      renew(state);
      place = 0;
    }
    let value = state[place++];
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  };
  return () => {
    const high = word() >>> 5;
    return (high * 67108864 + (word() >>> 6)) / 9007199254740992;
  };
}

// Returns `size` numbers of a normal distribution, as float32. Seed and row: from 0 to 2**32 - 1.
export function noiseOf(seed, row, size) {
  const uniform = uniformNumbers([seed, row]);
  const noise = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    let x, y, square;
    do {
      x = 2 * uniform() - 1;
      y = 2 * uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    noise[i] = factor * y; // the second value comes first
    if (i + 1 < size) noise[i + 1] = factor * x;
  }
  return noise;
}
