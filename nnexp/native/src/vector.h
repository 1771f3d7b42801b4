/* Vectors of floats for AVX-512, AVX2 with FMA, and NEON, whose every operation gives the same bits.

   The kernels promise the same results on every processor. Four rules keep that promise:
   - Only operations that IEEE 754 defines to the last bit: + - * / and fused multiply-add,
     comparisons, selection and integer arithmetic. No estimates of reciprocals, no libm.
   - Fused multiply-adds are written out, and the compiler may not make others of its own
     (-ffp-contract=off): each compiler would choose differently.
   - A sum has an order that depends on shapes alone, never on the number of lanes.
   - The sign and payload of a NaN, which differ between processors, are never looked at.

   Vectors are the compiler's own types, so that + - * / apply to them as they are. */
#ifndef NNEXP_VECTOR_H
#define NNEXP_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || (defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ != 0)
#error "the kernels need IEEE 754 arithmetic: compile without -ffast-math, for SSE2 or better"
#endif

#define INLINE static inline __attribute__((always_inline))

/* Unroll the next loop completely. Its arrays of vectors can then stay in registers. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__AVX512F__) && defined(__AVX512DQ__)

#include <immintrin.h>
typedef __m512 Vector;
enum { LANES = 16, TILE_ROWS = 12, TILE_VECTORS = 2 }; /* 24 of 32 registers hold sums */

INLINE Vector load(const float *from) { return _mm512_loadu_ps(from); }
INLINE void store(float *to, Vector a) { _mm512_storeu_ps(to, a); }
INLINE Vector broadcast(float a) { return _mm512_set1_ps(a); }
INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }

/* Return x where a < b, and y elsewhere, also where a or b is NaN. */
INLINE Vector select_less(Vector a, Vector b, Vector x, Vector y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

#elif defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>
typedef __m256 Vector;
enum { LANES = 8, TILE_ROWS = 6, TILE_VECTORS = 2 }; /* 12 of 16 registers hold sums */

INLINE Vector load(const float *from) { return _mm256_loadu_ps(from); }
INLINE void store(float *to, Vector a) { _mm256_storeu_ps(to, a); }
INLINE Vector broadcast(float a) { return _mm256_set1_ps(a); }
INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }

INLINE Vector select_less(Vector a, Vector b, Vector x, Vector y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

#elif defined(__aarch64__)

#include <arm_neon.h>
typedef float32x4_t Vector;
enum { LANES = 4, TILE_ROWS = 6, TILE_VECTORS = 4 }; /* 24 of 32 registers hold sums */

INLINE Vector load(const float *from) { return vld1q_f32(from); }
INLINE void store(float *to, Vector a) { vst1q_f32(to, a); }
INLINE Vector broadcast(float a) { return vdupq_n_f32(a); }
INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }

INLINE Vector select_less(Vector a, Vector b, Vector x, Vector y)
{
    return vbslq_f32(vcltq_f32(a, b), x, y);
}

#else
#error "no vectors for this processor: the kernels need AVX-512, AVX2 with FMA, or NEON"
#endif

/* Hide from the compiler how an address was computed. Otherwise GCC adds the offset of each vector
   of a row before the row's address, holds all offsets in registers, and spills them. */
INLINE const float *opaque(const float *address)
{
    __asm__("" : "+r"(address));
    return address;
}

typedef int32_t Integers __attribute__((vector_size(sizeof(Vector))));
typedef uint32_t Bits __attribute__((vector_size(sizeof(Vector)))); /* wraps around on overflow */

INLINE Vector largest(Vector a, Vector b) { return select_less(a, b, b, a); }
INLINE Vector smallest(Vector a, Vector b) { return select_less(b, a, b, a); }

/* Transpose a block of 4 by 4. */
#if defined(__x86_64__)
INLINE void transpose_4(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row)
{
    __m128 a = _mm_loadu_ps(from), b = _mm_loadu_ps(from + from_row);
    __m128 c = _mm_loadu_ps(from + 2 * from_row), d = _mm_loadu_ps(from + 3 * from_row);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(to, a);
    _mm_storeu_ps(to + to_row, b);
    _mm_storeu_ps(to + 2 * to_row, c);
    _mm_storeu_ps(to + 3 * to_row, d);
}
#else
INLINE void transpose_4(const float *from, ptrdiff_t from_row, float *to, ptrdiff_t to_row)
{
    float32x4x2_t even = vzipq_f32(vld1q_f32(from), vld1q_f32(from + 2 * from_row));
    float32x4x2_t odd = vzipq_f32(vld1q_f32(from + from_row), vld1q_f32(from + 3 * from_row));
    float32x4x2_t upper = vzipq_f32(even.val[0], odd.val[0]);
    float32x4x2_t lower = vzipq_f32(even.val[1], odd.val[1]);
    vst1q_f32(to, upper.val[0]);
    vst1q_f32(to + to_row, upper.val[1]);
    vst1q_f32(to + 2 * to_row, lower.val[0]);
    vst1q_f32(to + 3 * to_row, lower.val[1]);
}
#endif

#endif
