//! Numbers and names by AVX2: masks find quotes and points, one shuffle drops the point and aligns
//! the digits right, three multiply-adds fold 16 digits; a price and its size share one register.
//!
//! Loads never leave the slice: near its end the last 16 bytes are loaded and slid down. Whatever
//! does not fit a 16-byte window goes to the scalar twin.
#![allow(unsafe_code, reason = "AVX2 intrinsics; bounds are checked before each load")]

use super::decoder::{Context, Grids, Parsed, Scratch};
use super::fast::{self, Numerals};
use super::form::{Form, Usual};
use super::number::Number;
use super::scalar::Plain;
use super::symbols::Padded;
use crate::record::Level;
use crate::units::{InstrumentId, Lots, Ticks};
use std::arch::asm;
use std::arch::x86_64::{
    __m128i, __m256i, _mm_and_si128, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cvtsi128_si64,
    _mm_loadu_si128, _mm_madd_epi16, _mm_maddubs_epi16, _mm_max_epu8, _mm_movemask_epi8,
    _mm_packus_epi32, _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi32, _mm_setzero_si128,
    _mm_shuffle_epi8, _mm_storeu_si128, _mm_sub_epi8, _mm256_castsi256_si128, _mm256_cmpeq_epi8,
    _mm256_extract_epi64, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_max_epu8, _mm256_movemask_epi8, _mm256_packus_epi32, _mm256_set_m128i, _mm256_set1_epi8,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_shuffle_epi8, _mm256_sub_epi8,
};

/// Reads a frame with AVX2; only a `Decoder` that has seen the CPU's features calls it.
#[inline]
pub(super) fn read(
    context: &Context,
    scratch: &mut Scratch,
    whose: Option<InstrumentId>,
    bytes: &[u8],
) -> Option<Parsed> {
    // SAFETY: `Decoder::new` keeps `Simd::Avx2` only where the CPU has avx2, bmi1 and bmi2.
    unsafe { read_wide(context, scratch, whose, bytes) }
}

/// # Safety
/// The CPU must have AVX2, BMI1 and BMI2.
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn read_wide(
    context: &Context,
    scratch: &mut Scratch,
    whose: Option<InstrumentId>,
    bytes: &[u8],
) -> Option<Parsed> {
    fast::read::<Wide>(context, scratch, whose, bytes)
}

/// AVX2, inlined into `read_wide`.
struct Wide;

/// Digits of a time in milliseconds, from 2001 to 2286.
const TIME_DIGITS: usize = 13;

/// Bytes of one window.
const WINDOW: usize = 16;

/// `SHUFFLE[len][point]` takes the digits of a text of `len` bytes, point left out, to the right end.
static SHUFFLE: [[[u8; WINDOW]; WINDOW + 1]; WINDOW + 1] = {
    let mut table = [[[0x80u8; WINDOW]; WINDOW + 1]; WINDOW + 1];
    let mut len = 0;
    while len <= WINDOW {
        let mut point = 0;
        while point <= len {
            let mut from = len;
            let mut to = WINDOW;
            while from > 0 {
                from -= 1;
                if from != point {
                    to -= 1;
                    table[len][point][to] = from as u8;
                }
            }
            point += 1;
        }
        len += 1;
    }
    table
};

/// Shuffle controls that slide a register down by `n` bytes, read at offset `n`.
static SLIDE: [u8; 2 * WINDOW] = {
    let mut table = [0x80u8; 2 * WINDOW];
    let mut i = 0;
    while i < WINDOW {
        table[i] = i as u8;
        i += 1;
    }
    table
};

/// Masks that keep the first `n` bytes, read at offset `16 - n`.
static KEEP: [u8; 2 * WINDOW] = {
    let mut table = [0u8; 2 * WINDOW];
    let mut i = 0;
    while i < WINDOW {
        table[i] = 0xFF;
        i += 1;
    }
    table
};

/// 16 bytes from `at`, zeros beyond the end of the slice.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn load(bytes: &[u8], at: usize) -> __m128i {
    if let Some(window) = bytes.get(at..at + WINDOW) {
        // SAFETY: the slice has 16 bytes.
        return unsafe { _mm_loadu_si128(window.as_ptr().cast()) };
    }
    // SAFETY: same features as here.
    unsafe { load_tail(bytes, at) }
}

/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn load_tail(bytes: &[u8], at: usize) -> __m128i {
    let (Some(last), true) = (bytes.last_chunk::<WINDOW>(), at < bytes.len()) else {
        // SAFETY: needs SSE2 only.
        return unsafe { _mm_setzero_si128() };
    };
    let slide = at + WINDOW - bytes.len(); // 1..=15, since at < len and at + 16 > len
    let control = &SLIDE[slide..slide + WINDOW];
    // SAFETY: both slices have 16 bytes.
    unsafe {
        _mm_shuffle_epi8(
            _mm_loadu_si128(last.as_ptr().cast()),
            _mm_loadu_si128(control.as_ptr().cast()),
        )
    }
}

/// Length of the text before the first quote in a window; 16 when there is none.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn length(window: __m128i) -> usize {
    // SAFETY: register operations only.
    let quotes = unsafe { _mm_movemask_epi8(_mm_cmpeq_epi8(window, _mm_set1_epi8(b'"' as i8))) };
    ((quotes as u32) | (1 << WINDOW)).trailing_zeros() as usize
}

/// Where the point of a text of `len` bytes stands (`len` without one), or `None` for a bad shape.
/// `odd` holds the bytes that are no digits and `points` those that are points, one bit a byte.
#[inline(always)]
fn point(odd: u32, points: u32, len: usize, first: u8) -> Option<usize> {
    let at = (odd | (1 << len)).trailing_zeros() as usize;
    let one_point = odd == points && odd & odd.wrapping_sub(1) == 0;
    let bare_end = at == 0 || at + 1 == len; // no digit before or after the point
    let leading_zero = first == b'0' && at > 1;
    (one_point & !bare_end & !leading_zero).then_some(at)
}

/// Turns two texts into numbers.
///
/// # Safety
/// The CPU must have AVX2, BMI1 and BMI2.
#[inline(always)]
unsafe fn convert(
    texts: [__m128i; 2],
    lens: [usize; 2],
    firsts: [u8; 2],
) -> Option<(Number, Number)> {
    let used = (((1u32 << lens[1]) - 1) << 16) | ((1u32 << lens[0]) - 1);
    // SAFETY: register operations, and loads of 16-byte rows of a table.
    unsafe {
        let text: __m256i = _mm256_set_m128i(texts[1], texts[0]);
        let digits = _mm256_sub_epi8(text, _mm256_set1_epi8(b'0' as i8));
        let ten = _mm256_set1_epi8(10);
        let no_digit = _mm256_cmpeq_epi8(_mm256_max_epu8(digits, ten), digits);
        let odd = _mm256_movemask_epi8(no_digit) as u32 & used;
        let is_point = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'.' as i8));
        let points = _mm256_movemask_epi8(is_point) as u32 & used;
        let point0 = point(odd & 0xFFFF, points & 0xFFFF, lens[0], firsts[0])?;
        let point1 = point(odd >> 16, points >> 16, lens[1], firsts[1])?;
        let row0 = SHUFFLE[lens[0]][point0].as_ptr().cast();
        let row1 = SHUFFLE[lens[1]][point1].as_ptr().cast();
        let control = _mm256_set_m128i(_mm_loadu_si128(row1), _mm_loadu_si128(row0));
        let digits = _mm256_shuffle_epi8(digits, control);
        let twos = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010A)); // 10, 1
        let fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(0x0001_0064)); // 100, 1
        let packed = _mm256_packus_epi32(fours, fours);
        let eights = _mm256_madd_epi16(packed, _mm256_set1_epi32(0x0001_2710)); // 10 000, 1
        let first = joined(_mm256_extract_epi64::<0>(eights) as u64);
        let second = joined(_mm256_extract_epi64::<2>(eights) as u64);
        let fraction = |len: usize, point: usize| (len - point).saturating_sub(1) as u32;
        Some((
            Number { mantissa: first, fraction: fraction(lens[0], point0) },
            Number { mantissa: second, fraction: fraction(lens[1], point1) },
        ))
    }
}

/// Steps of two texts of the instrument's usual form; `None` for any other form, good or bad.
///
/// Three masks say it all: inside the texts the bytes that are no digits, and those that are points,
/// must be exactly where the form has its points; and a first digit may be zero only on its own.
///
/// # Safety
/// The CPU must have AVX2, BMI1 and BMI2; both lengths must be under 16.
#[inline(always)]
unsafe fn steps_of_form(text: __m256i, lens: [usize; 2], forms: &[Form; 2]) -> Option<(i64, i64)> {
    let used = (((1u32 << lens[1]) - 1) << 16) | ((1u32 << lens[0]) - 1);
    let expected = forms[0].expected(lens[0]) | forms[1].expected(lens[1]);
    let (points_expected, no_zero) = (expected as u32, (expected >> 32) as u32);
    // SAFETY: register operations, and loads of 16-byte rows of a table.
    let (first, second) = unsafe {
        let digits = _mm256_sub_epi8(text, _mm256_set1_epi8(b'0' as i8));
        let no_digit = _mm256_cmpeq_epi8(_mm256_max_epu8(digits, _mm256_set1_epi8(10)), digits);
        let odd = _mm256_movemask_epi8(no_digit) as u32 & used;
        let is_point = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'.' as i8));
        let points = _mm256_movemask_epi8(is_point) as u32 & used;
        let is_zero = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'0' as i8));
        let zeros = _mm256_movemask_epi8(is_zero) as u32 & no_zero;
        if ((odd ^ points_expected) | (points ^ points_expected) | zeros) != 0 {
            return None;
        }
        let control = _mm256_set_m128i(
            _mm_loadu_si128(forms[1].row(lens[1]).as_ptr().cast()),
            _mm_loadu_si128(forms[0].row(lens[0]).as_ptr().cast()),
        );
        let digits = _mm256_shuffle_epi8(digits, control);
        let twos = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010A)); // 10, 1
        let fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(0x0001_0064)); // 100, 1
        let packed = _mm256_packus_epi32(fours, fours);
        let eights = _mm256_madd_epi16(packed, _mm256_set1_epi32(0x0001_2710)); // 10 000, 1
        (
            joined(_mm256_extract_epi64::<0>(eights) as u64),
            joined(_mm256_extract_epi64::<2>(eights) as u64),
        )
    };
    Some((forms[0].grid.steps(first).ok()?, forms[1].grid.steps(second).ok()?))
}

/// Bytes that a turn of `usual_levels` may load from its position: a window of 32, and up to 16
/// from 18 bytes on, and 8 from 31 bytes on.
const LEVEL_REACH: usize = 3 * WINDOW;

/// Where `usual_levels` stopped.
struct Stopped {
    count: usize,
    at: usize,
    ended: bool,
}

/// Levels of the usual form, behind the first `["`, until the list ends or another form comes.
/// A function of its own, so that its loop has the registers to itself.
///
/// # Safety
/// The CPU must have AVX2, BMI1 and BMI2.
#[inline(never)]
#[target_feature(enable = "avx2,bmi1,bmi2")]
unsafe fn usual_levels(bytes: &[u8], forms: &[Form; 2], out: &mut [Level]) -> Stopped {
    let (mut count, mut at) = (0, 0);
    for slot in out {
        if at + LEVEL_REACH > bytes.len() {
            break;
        }
        // SAFETY: 48 bytes stand from `at` on, and the offsets stay within `LEVEL_REACH`: a first
        // text under 16 bytes, three bytes between, a second text that ends under 32.
        let (steps, end, tail) = unsafe {
            let here = bytes.as_ptr().add(at);
            let text = _mm256_loadu_si256(here.cast());
            let quote = _mm256_cmpeq_epi8(text, _mm256_set1_epi8(b'"' as i8));
            let quotes = _mm256_movemask_epi8(quote) as u32;
            let third = quotes & quotes.wrapping_sub(1);
            let third = third & third.wrapping_sub(1);
            let first_len = quotes.trailing_zeros() as usize;
            if third == 0 || first_len >= WINDOW {
                break;
            }
            let end = third.trailing_zeros() as usize;
            let between = here.add(first_len).cast::<u32>().read_unaligned().to_le();
            let then = first_len + 3;
            let second_len = end.wrapping_sub(then);
            if between & 0x00FF_FFFF != u32::from_le_bytes(*b"\",\"\0") || second_len >= WINDOW {
                break;
            }
            let second = _mm_loadu_si128(here.add(then).cast());
            let both = _mm256_set_m128i(second, _mm256_castsi256_si128(text));
            let Some(steps) = steps_of_form(both, [first_len, second_len], forms) else { break };
            (steps, end, here.add(end).cast::<u64>().read_unaligned().to_le())
        };
        *slot = Level { price: Ticks(steps.0), lots: Lots(steps.1) };
        if tail & 0x00FF_FFFF_FFFF == u64::from_le_bytes(*b"\"],[\"\0\0\0") {
            count += 1;
            at += end + 5;
        } else if tail & 0x00FF_FFFF == u64::from_le_bytes(*b"\"]]\0\0\0\0\0") {
            return Stopped { count: count + 1, at: at + end + 3, ended: true };
        } else {
            break; // neither another level nor the end: the caller reads this level again
        }
    }
    Stopped { count, at, ended: false }
}

/// Two groups of eight digits, the higher one in the lower half, as one number.
#[inline(always)]
fn joined(eights: u64) -> u64 {
    (eights & 0xFFFF_FFFF) * 100_000_000 + (eights >> 32)
}

/// The window's digit values, and how many digits it begins with.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn leading_digits(bytes: &[u8]) -> (__m128i, usize) {
    // SAFETY: same features as here; otherwise register operations.
    unsafe {
        let digits = _mm_sub_epi8(load(bytes, 0), _mm_set1_epi8(b'0' as i8));
        let no_digit = _mm_cmpeq_epi8(_mm_max_epu8(digits, _mm_set1_epi8(10)), digits);
        let odd = _mm_movemask_epi8(no_digit) as u32;
        (digits, (odd | (1 << WINDOW)).trailing_zeros() as usize)
    }
}

/// The first `len` digits as a number.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn fold(digits: __m128i, len: usize) -> u64 {
    // SAFETY: register operations, and a load of a 16-byte row of a table.
    unsafe {
        let control = _mm_loadu_si128(SHUFFLE[len][len].as_ptr().cast());
        let digits = _mm_shuffle_epi8(digits, control);
        let twos = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010A)); // 10, 1
        let fours = _mm_madd_epi16(twos, _mm_set1_epi32(0x0001_0064)); // 100, 1
        let packed = _mm_packus_epi32(fours, fours);
        let eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x0001_2710)); // 10 000, 1
        joined(_mm_cvtsi128_si64(eights) as u64)
    }
}

/// What does not fit a window, out of the way of what does.
#[cold]
#[inline(never)]
fn slow_whole(bytes: &[u8]) -> Option<(u64, usize)> {
    Plain::whole(bytes)
}

#[cold]
#[inline(never)]
fn slow_pair<const GAP: usize>(bytes: &[u8], gap: &[u8; GAP]) -> Option<(Number, Number, usize)> {
    Plain::pair(bytes, gap)
}

/// Another length than last time.
#[cold]
#[inline(never)]
fn surprised(len: usize, usual: &Usual) -> usize {
    usual.0.set(len);
    len
}

/// Takes an answer of a called function apart, so that the answers of inlined ones, which flow
/// together with it, need not go through memory.
#[inline(always)]
fn in_registers(answer: Option<(Number, Number, usize)>) -> Option<(Number, Number, usize)> {
    let (one, two, end) = answer?;
    let number = |of: Number| Number { mantissa: of.mantissa, fraction: of.fraction };
    Some((number(one), number(two), end))
}

#[cold]
#[inline(never)]
fn slow_plain(bytes: &[u8]) -> Option<usize> {
    Plain::plain(bytes)
}

#[cold]
#[inline(never)]
fn slow_symbol(bytes: &[u8]) -> Option<(Padded, usize)> {
    Plain::symbol(bytes)
}

impl Numerals for Wide {
    #[inline(always)]
    fn whole(bytes: &[u8]) -> Option<(u64, usize)> {
        // SAFETY: `Wide` is reachable through `read_wide` only, which has the features.
        unsafe {
            let (digits, len) = leading_digits(bytes);
            if len == 0 || len == WINDOW || (bytes.first() == Some(&b'0') && len > 1) {
                return slow_whole(bytes);
            }
            Some((fold(digits, len), len))
        }
    }

    /// The length is branched on, so that what follows does not wait for the mask.
    #[inline(always)]
    fn time(bytes: &[u8]) -> Option<(u64, usize)> {
        // SAFETY: `Wide` is reachable through `read_wide` only, which has the features.
        unsafe {
            let (digits, len) = leading_digits(bytes);
            if len != TIME_DIGITS || bytes.first() == Some(&b'0') {
                return slow_whole(bytes);
            }
            Some((fold(digits, TIME_DIGITS), TIME_DIGITS))
        }
    }

    #[inline(always)]
    fn pair<const GAP: usize>(bytes: &[u8], gap: &[u8; GAP]) -> Option<(Number, Number, usize)> {
        // SAFETY: `Wide` is reachable through `read_wide` only, which has the features.
        unsafe {
            let first = load(bytes, 0);
            let first_len = length(first);
            if first_len == WINDOW {
                return in_registers(slow_pair(bytes, gap));
            }
            let middle = first_len;
            let then = middle + GAP;
            if bytes.get(middle..)?.first_chunk()? != gap {
                return None;
            }
            let second = load(bytes, then);
            let second_len = length(second);
            if second_len == WINDOW {
                return in_registers(slow_pair(bytes, gap));
            }
            let firsts = [*bytes.first()?, *bytes.get(then)?];
            let (one, two) = convert([first, second], [first_len, second_len], firsts)?;
            Some((one, two, then + second_len))
        }
    }

    /// One mask over 32 bytes finds all three quotes, so that the next level does not wait for two
    /// loads in a row.
    #[inline(always)]
    fn level(bytes: &[u8]) -> Option<(Number, Number, usize)> {
        // SAFETY: `Wide` is reachable through `read_wide` only, which has the features.
        unsafe {
            let low = load(bytes, 0);
            let high = load(bytes, WINDOW);
            let quote = _mm256_set1_epi8(b'"' as i8);
            let text = _mm256_set_m128i(high, low);
            let quotes = _mm256_movemask_epi8(_mm256_cmpeq_epi8(text, quote)) as u32;
            let after_first = quotes & quotes.wrapping_sub(1);
            let after_second = after_first & after_first.wrapping_sub(1);
            let first_len = quotes.trailing_zeros() as usize;
            let then = after_first.trailing_zeros() as usize + 1;
            let end = after_second.trailing_zeros() as usize;
            if after_second == 0 || first_len >= WINDOW || end - then >= WINDOW {
                return in_registers(slow_pair(bytes, b"\",\""));
            }
            let second = load(bytes, then);
            let comma = *bytes.get(first_len + 1)? == b',';
            if then != first_len + 3 || !comma {
                return None;
            }
            let firsts = [*bytes.first()?, *bytes.get(then)?];
            let (one, two) = convert([low, second], [first_len, end - then], firsts)?;
            Some((one, two, end))
        }
    }

    #[inline(always)]
    fn usual_levels(bytes: &[u8], grids: &Grids, out: &mut [Level]) -> (usize, usize, bool) {
        // SAFETY: `Wide` is reachable through `read_wide` only, which has the features.
        let stopped = unsafe { usual_levels(bytes, &grids.forms, out) };
        (stopped.count, stopped.at, stopped.ended)
    }

    #[inline(always)]
    fn usual_pair<const GAP: usize>(
        bytes: &[u8],
        gap: &[u8; GAP],
        grids: &Grids,
        usual: &[Usual; 2],
    ) -> Option<(i64, i64, usize)> {
        if 2 * WINDOW + GAP > bytes.len() {
            return None;
        }
        // SAFETY: `Wide` is reachable through `read_wide` only, which has the features.
        unsafe {
            let first = load(bytes, 0);
            let first_len = Wide::follow(length(first), &usual[0]);
            let middle = first_len;
            let second = load(bytes, middle + GAP);
            let second_len = Wide::follow(length(second), &usual[1]);
            let of_form = first_len < WINDOW
                && second_len < WINDOW
                && bytes.get(middle..)?.first_chunk()? == gap;
            if !of_form {
                return None;
            }
            let both = _mm256_set_m128i(second, first);
            let (one, two) = steps_of_form(both, [first_len, second_len], &grids.forms)?;
            Some((one, two, middle + GAP + second_len))
        }
    }

    /// A branch instead of a data dependency: the predictor bets on the usual length, and the next
    /// field is read while this one's mask is still on its way.
    #[inline(always)]
    fn follow(len: usize, usual: &Usual) -> usize {
        let mut guess = usual.0.get();
        if guess != len {
            return surprised(len, usual);
        }
        // SAFETY: no instruction at all; it only keeps the compiler from putting `len` for `guess`.
        unsafe {
            asm!("/* {} */", inout(reg) guess, options(pure, nomem, nostack, preserves_flags))
        };
        guess
    }

    #[inline(always)]
    fn plain(bytes: &[u8]) -> Option<usize> {
        // SAFETY: `Wide` is reachable through `read_wide` only, which has the features.
        unsafe {
            let low = load(bytes, 0);
            let high = load(bytes, WINDOW);
            let stops = stops(low) | (stops(high) << WINDOW);
            if stops == 0 {
                return slow_plain(bytes);
            }
            let end = stops.trailing_zeros() as usize;
            (*bytes.get(end)? == b'"').then_some(end)
        }
    }

    #[inline(always)]
    fn symbol(bytes: &[u8]) -> Option<(Padded, usize)> {
        // SAFETY: `Wide` is reachable through `read_wide` only, which has the features.
        unsafe {
            let text = load(bytes, 0);
            let len = length(text);
            if len == WINDOW {
                return slow_symbol(bytes);
            }
            let keep = _mm_loadu_si128(KEEP[WINDOW - len..].as_ptr().cast());
            let mut words = [0u64; 4];
            _mm_storeu_si128(words.as_mut_ptr().cast(), _mm_and_si128(text, keep));
            Some((words, len))
        }
    }
}

/// Bytes of a window that no plain string has inside: controls, quote, backslash, beyond ASCII.
///
/// # Safety
/// The CPU must have AVX2.
#[inline(always)]
unsafe fn stops(window: __m128i) -> u32 {
    // SAFETY: register operations only.
    unsafe {
        let control_or_high = _mm_cmpgt_epi8(_mm_set1_epi8(0x20), window);
        let quote = _mm_cmpeq_epi8(window, _mm_set1_epi8(b'"' as i8));
        let backslash = _mm_cmpeq_epi8(window, _mm_set1_epi8(b'\\' as i8));
        (_mm_movemask_epi8(control_or_high)
            | _mm_movemask_epi8(quote)
            | _mm_movemask_epi8(backslash)) as u32
    }
}
