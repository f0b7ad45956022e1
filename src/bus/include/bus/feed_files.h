/* feed_files.h - the feed whose documents are files that others rename into a folder.
 *
 * DIR/NAME is a document: JSON lines if its first character is '{', else CSV. Names that begin with
 * a
 * '.' or end with .tmp, .part or ~ are not looked at: so files are written, and then renamed to
 * their name. Files are taken in the order of their last change. A finished one is renamed to
 * DIR/done/NAME, or to DIR/dead/NAME if nothing of it could be used; what could not be used stands
 * in DIR/dead/NAME with the header, and why in DIR/dead/NAME.why, a JSON object on each line. A
 * name that is taken gets a number.
 *
 * A document's id is made of its name, size and time of last change.
 */
#ifndef TALLY_BUS_FEED_FILES_H
#define TALLY_BUS_FEED_FILES_H

#include "bus/feed.h"

/* Makes DIR, DIR/done and DIR/dead where they are not there. */
int feed_files_create(struct feed **out, const char *dir, struct error *e) MUST_CHECK;

#endif
