/* units.h - units of time; all times of the library and the programs are nanoseconds. */
#ifndef UNITS_H
#define UNITS_H

#include <stdint.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

#endif
