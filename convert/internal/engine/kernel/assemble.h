// Fills and copies of Assemble: see assemble.c. nitrain_copy is copying of assemble.go, field by field.

#ifndef NITRAIN_ASSEMBLE_H
#define NITRAIN_ASSEMBLE_H

#include <stdint.h>

#include "team.h"

// nitrain_copy copies a space of indices, the inner dimension last: elements, not bytes.
typedef struct {
	int64_t from, to, size[8], source[8], target[8];
	int64_t piece, units, tasks; // of the inner dimension at once; such pieces; shares of the units
	int64_t rows, columns;       // of a tile
	int32_t dims, way, input, gap;
} nitrain_copy;

// nitrain_assembly is an array to be written: elements of width bytes.
typedef struct {
	int64_t copies, tasks, bytes;
	int32_t width, filled; // 2: with the same byte throughout
	uint8_t fill[16];      // repeated
} nitrain_assembly;

void nitrain_assemble_run(nitrain_team *team, const nitrain_assembly *a, const nitrain_copy *copies, const uintptr_t *ins, uintptr_t out);

#endif
