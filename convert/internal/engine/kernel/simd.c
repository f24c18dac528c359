//go:build cgo

#include "simd.h"

#include "map.h"

#include <stddef.h>

#if defined(__x86_64__)
#define LANES 16
#define NAME(f) f##_512
#define TARGET __attribute__((target("avx512f,avx2,fma")))
#include "simd_loops.h"
#undef LANES
#undef NAME
#undef TARGET
#define HALF
#define LANES 8
#define NAME(f) f##_256
#define TARGET __attribute__((target("avx2,fma")))
#include "simd_loops.h"
#undef LANES
#undef NAME
#undef TARGET
#undef HALF
#endif
#define HALF
#define LANES 4
#define NAME(f) f##_128
#define TARGET
#include "simd_loops.h"

const nitrain_loops *nitrain_choose(void) {
#if defined(__x86_64__)
	if (nitrain_map_widest >= 16 && __builtin_cpu_supports("avx512f")) return &loops_512;
	if (nitrain_map_widest >= 8 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &loops_256;
#endif
	return &loops_128;
}
