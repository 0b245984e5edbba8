/* units.h - units of time; all times of the library and the programs are nanoseconds. */
#ifndef SHMEM_UNITS_H
#define SHMEM_UNITS_H

#include <stdint.h>

#define SHMEM_US UINT64_C(1000)
#define SHMEM_MS UINT64_C(1000000)
#define SHMEM_SECOND UINT64_C(1000000000)

#endif
