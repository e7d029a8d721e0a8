#include "json.h"

#include <string.h>

static const char *skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* Behind the string that begins there; NULL when it has no end. */
static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
        if (*at == 0)
            return NULL;
    }
    return at + 1;
}

/* Behind the value that begins there; NULL when it has no end. */
static const char *skip_value(const char *at)
{
    size_t depth = 0;
    while (*at != 0) {
        if (*at == '"') {
            if ((at = skip_string(at)) == NULL)
                return NULL;
        } else if (*at == '{' || *at == '[') {
            depth++;
            at++;
        } else if (depth > 0 && (*at == '}' || *at == ']')) {
            depth--;
            at++;
        } else if (depth == 0 && strchr(",} \t\r\n", *at) != NULL) {
            return at;
        } else {
            at++;
        }
    }
    return NULL;
}

const char *json_member(const char *object, const char *name, size_t *length)
{
    size_t name_len = strlen(name);
    const char *at = skip_space(object);
    if (*at++ != '{')
        return NULL;
    while (*(at = skip_space(at)) == '"') {
        const char *key = at + 1, *end = skip_string(at);
        if (end == NULL || *(at = skip_space(end)) != ':')
            return NULL;
        const char *value = skip_space(at + 1);
        if ((at = skip_value(value)) == NULL || at == value)
            return NULL;
        if ((size_t)(end - 1 - key) == name_len && memcmp(key, name, name_len) == 0) {
            *length = (size_t)(at - value);
            return value;
        }
        if (*(at = skip_space(at)) != ',')
            return NULL;
        at++;
    }
    return NULL;
}

int json_member_is(const char *object, const char *name, const char *value)
{
    size_t length = 0;
    const char *found = json_member(object, name, &length);
    return found != NULL && length == strlen(value) && memcmp(found, value, length) == 0;
}
