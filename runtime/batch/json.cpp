/* json: see json.h. The one C++ file: no exceptions, nothing of C++ leaves it. */
#include "runtime/batch/json.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <simdjson.h>

static_assert(JSON_PADDING >= simdjson::SIMDJSON_PADDING, "the padding that simdjson wants");

/* The first stage is private in simdjson's words, and has kept this shape from 0.6 to 3.x. */
struct json_scanner {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

static constexpr size_t capacity_first = 1u << 15;
static constexpr size_t depth_unused = 1; /* the second stage is not run */

extern "C" {

struct json_scanner *json_scanner_create(void)
{
    std::unique_ptr<json_scanner> scanner(new (std::nothrow) json_scanner);
    if (!scanner)
        return nullptr;
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(
            capacity_first, depth_unused, scanner->parser))
        return nullptr;
    return scanner.release();
}

void json_scanner_close(struct json_scanner *scanner)
{
    delete scanner;
}

static enum json_fault fault_of(simdjson::error_code code)
{
    switch (code) {
    case simdjson::SUCCESS:
        return JSON_FINE;
    case simdjson::UNCLOSED_STRING:
        return JSON_UNCLOSED;
    case simdjson::UNESCAPED_CHARS:
        return JSON_CONTROL;
    case simdjson::UTF8_ERROR:
        return JSON_UTF8;
    case simdjson::EMPTY:
        return JSON_EMPTY;
    default:
        return JSON_NO_MEMORY;
    }
}

enum json_fault json_scan(struct json_scanner *scanner, const char *text, size_t size,
                          const uint32_t **index, uint32_t *count)
{
    if (size >= scanner->parser->capacity() && scanner->parser->set_capacity(2 * size))
        return JSON_NO_MEMORY;
    simdjson::error_code code = scanner->parser->stage1(reinterpret_cast<const uint8_t *>(text),
                                                        size, simdjson::stage1_mode::regular);
    *index = scanner->parser->structural_indexes.get();
    *count = scanner->parser->n_structural_indexes;
    return fault_of(code);
}

char *json_unescape(const struct json_scanner *scanner, const char *from, char *to)
{
    char *end = reinterpret_cast<char *>(scanner->parser->parse_string(
        reinterpret_cast<const uint8_t *>(from), reinterpret_cast<uint8_t *>(to)));
    /* It lets a lone low surrogate pass. */
    return end && simdjson::validate_utf8(to, static_cast<size_t>(end - to)) ? end : nullptr;
}

bool json_utf8_valid(const char *text, size_t size)
{
    return simdjson::validate_utf8(text, size);
}

double json_number(const char *text, size_t size)
{
    double value = 0;
    if (std::from_chars(text, text + size, value).ec != std::errc::result_out_of_range)
        return value;
    return std::strtod(text, nullptr); /* tells overflow from underflow; rare */
}

} /* extern "C" */

/* Whole numbers without an exponent have no point yet. */
static size_t with_point(char *text, char *end, bool whole)
{
    size_t size = static_cast<size_t>(end - text);
    if (!whole || std::memchr(text, 'e', size))
        return size;
    *end++ = '.';
    *end++ = '0';
    return size + 2;
}

/* The shortest form alone would write 100000 as 1e+05. */
template <typename T>
static size_t shortest(T value, char *text)
{
    T size = std::fabs(value);
    bool fixed = size == 0 || (size >= T(1e-5) && size < T(1e16));
    char *limit = text + JSON_NUMBER_MAX - 2;
    return with_point(text,
                      fixed ? std::to_chars(text, limit, value, std::chars_format::fixed).ptr
                            : std::to_chars(text, limit, value).ptr,
                      std::trunc(value) == value);
}

/* What has at most four digits behind the point and fifteen in all, several times faster. No two such
 * decimals read as the same double (DBL_DIG is 15), so the one that does is the shortest text. 0: none. */
static size_t short_text(double value, char *text)
{
    constexpr double parts = 1e4;
    double size = std::fabs(value);
    if (!(size < 1e10))
        return 0;
    auto count = static_cast<uint64_t>(size * parts + 0.5);
    if (static_cast<double>(count) / parts != size)
        return 0;
    char *to = text;
    if (std::signbit(value))
        *to++ = '-';
    to = std::to_chars(to, to + 16, count / 10000).ptr;
    auto behind = static_cast<uint32_t>(count % 10000);
    *to++ = '.';
    for (uint32_t unit = 1000; unit > 0 && (behind > 0 || unit == 1000); unit /= 10) {
        *to++ = static_cast<char>('0' + behind / unit);
        behind %= unit;
    }
    return static_cast<size_t>(to - text);
}

extern "C" {

size_t json_f64_text(double value, char *text)
{
    size_t size = short_text(value, text);
    return size > 0 ? size : shortest(value, text);
}

size_t json_f32_text(float value, char *text)
{
    return shortest(value, text);
}

} /* extern "C" */
