/* machine.h - the machine a run was made on, for its report. */
#ifndef TALLY_LOADGEN_MACHINE_H
#define TALLY_LOADGEN_MACHINE_H

#include "loadgen/report.h"

/* Processor, cores, memory, kernel; what cannot be read is left out. */
void machine_describe(struct report *r);

#endif
