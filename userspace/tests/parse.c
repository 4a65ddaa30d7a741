// SPDX-License-Identifier: MIT
/* Numbers and formats of the command weir. */
#include <stdlib.h>
#include <string.h>
#include "weir.h"
#include "tap.h"

static bool size_is(const char *text, uint64_t value)
{
	uint64_t bytes = 0;

	return !parse_size(text, &bytes) && bytes == value;
}

static bool duration_is(const char *text, int64_t value)
{
	int64_t ns = 0;

	return !parse_duration(text, &ns) && ns == value;
}

static bool no_size(const char *text)
{
	uint64_t bytes;

	return parse_size(text, &bytes);
}

static bool no_duration(const char *text)
{
	int64_t ns;

	return parse_duration(text, &ns);
}

static bool delimiter_is(const char *text, char value)
{
	char c;

	return !parse_delimiter(text, &c) && c == value;
}

static bool prints(const char *format, const char *wanted)
{
	static const uint64_t headers[] = { 0 };
	struct weir_view view = {
		.desc = { .offset = 7, .len = 5, .key_len = 2, .uid = 3,
			  .stamp_ns = 1500000000123456789 },
		.data = "hello", .key = "kk", .headers = headers,
	};
	struct text text = { 0 };
	bool good;

	format_message(&text, format, &view);
	good = text.len == strlen(wanted) &&
	       !memcmp(text.bytes, wanted, text.len);
	free(text.bytes);
	return good;
}

static bool json_is(const char *data, size_t len, const char *wanted)
{
	struct weir_view view = { .desc.len = len, .data = data };
	struct text text = { 0 };
	bool good;

	format_json(&text, &view);
	text_add(&text, "", 1);
	good = strstr(text.bytes, wanted);
	free(text.bytes);
	return good;
}

int main(void)
{
	const char *bad;
	uint32_t mode;

	ok(size_is("0", 0) && size_is("12", 12) && size_is("4K", 4096) &&
	   size_is("3m", 3 << 20) && size_is("1G", 1 << 30), "sizes");
	ok(no_size("") && no_size("-1") && no_size(" 1") && no_size("1x") &&
	   no_size("1 K") && no_size("18446744073709551616") &&
	   no_size("18014398509481984K"), "no sizes");
	ok(duration_is("1ns", 1) && duration_is("5ms", 5000000) &&
	   duration_is("2m", 120000000000) && duration_is("0", 0) &&
	   duration_is("1d", 86400000000000), "durations");
	ok(no_duration("5") && no_duration("s") && no_duration("-1s") &&
	   no_duration("106752d"), "no durations");
	ok(!parse_mode("0640", &mode) && mode == 0640 &&
	   parse_mode("8", &mode) && parse_mode("1777", &mode) &&
	   parse_mode("0", &mode), "modes");
	ok(delimiter_is(";", ';') && delimiter_is("\\0", 0) &&
	   delimiter_is("\\n", '\n') && delimiter_is("\\\\", '\\') &&
	   !delimiter_is("ab", 'a') && !delimiter_is("", 0), "delimiters");
	ok(!format_check("%v %k%n%h{a}%%", &bad) && format_check("%x", &bad) &&
	   format_check("%", &bad) && format_check("%h{", &bad) &&
	   format_check("%h{}", &bad) && format_check("%h", &bad), "formats");
	ok(prints(NULL, "hello\n") && prints("%v", "hello") &&
	   prints("[%k] %o %u%%%n", "[kk] 7 3%\n") && prints("%h{x}.", ".") &&
	   prints("%t", "2017-07-14T02:40:00.123456789Z"), "printed");
	ok(json_is("h\"\0i", 4, "\"value\":\"h\\\"\\u0000i\"") &&
	   json_is("\xff", 1, "\"value_base64\":\"/w==\"") &&
	   json_is("\xff\xfe", 2, "\"//4=\"") &&
	   json_is("\xff\xfe\xfd", 3, "\"//79\"") &&
	   json_is("", 0, "\"value\":\"\""), "json");
	return tap_end();
}
