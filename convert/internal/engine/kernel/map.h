// The interpreter of Map: see map.c. The structs are those of map_plan.go, field by field.

#ifndef NITRAIN_MAP_H
#define NITRAIN_MAP_H

#include <stdint.h>

#include "team.h"

enum { NITRAIN_DIMS = 8 };

// nitrain_stream is how the space of a pass reads or writes an array: its own dimensions, as few as will do, the last the
// innermost.
typedef struct {
	int64_t offset, size[NITRAIN_DIMS], stride[NITRAIN_DIMS];
	int32_t dims, type, array, reg, level, slot, reduce, where;
} nitrain_stream;

// nitrain_instr computes register dst. Bit i of scalars says that operand i is one number.
typedef struct {
	int32_t op, dst, a, b, c, level;
	uint32_t scalars, bits;
} nitrain_instr;

// nitrain_pass is one walk over the space. Its order is kept dimensions, reduced dimensions, inner dimension.
typedef struct {
	int64_t kept, reduced, inner; // how long; inner is 1 unless a reduction keeps it
	int64_t total, block;         // indices of the space; buffers' length
	int64_t line, piece, pieces;  // a run that blocks do not cross, how long its blocks are, how many
	int64_t parts, units, tasks;
	int64_t tile_rows, tile_columns;
	int32_t order, tiled, registers, slots, streams, instrs, results, uniforms;
} nitrain_pass;

// nitrain_map_run does the pass. Streams: those that are read, then those that are written.
void nitrain_map_run(nitrain_team *team, const nitrain_pass *pass, const nitrain_stream *streams, const nitrain_instr *instrs,
	const uintptr_t *ins, const uintptr_t *outs, void *scratch);

// nitrain_map_widest bounds the vectors that are used, in floats. It is as wide as it gets; tests narrow it.
extern int nitrain_map_widest;

#endif
