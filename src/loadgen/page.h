/* page.h - the files of page/, which the build puts into the binary (page.cmake). */
#ifndef TALLY_LOADGEN_PAGE_H
#define TALLY_LOADGEN_PAGE_H

extern const char page_html[], page_css[], page_js[];

#endif
