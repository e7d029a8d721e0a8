/*
 * One member of a JSON object, as it stands there. An app of any size takes a library for this.
 */
#ifndef JSON_H
#define JSON_H

#include <stddef.h>

/* The value of a member, of `length` bytes; NULL when it is not there or the text is no object. Names with escapes in them
 * are not found. */
const char *json_member(const char *object, const char *name, size_t *length);

/* Whether a member's value is, byte for byte, this. */
int json_member_is(const char *object, const char *name, const char *value);

#endif
