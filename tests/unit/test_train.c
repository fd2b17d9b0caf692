#include "test.h"

#include "echod/train.h"

static const struct {
	struct train train;
	uint32_t count;
	size_t last; /* bytes of the last datagram */
} samples[] = {
        {{.length = 0, .segment = 0}, 1, 0},
        {{.length = 0, .segment = 100}, 1, 0},
        {{.length = 1, .segment = 0}, 1, 1},
        {{.length = 65507, .segment = 0}, 1, 65507},
        {{.length = 99, .segment = 100}, 1, 99},
        {{.length = 100, .segment = 100}, 1, 100},
        {{.length = 101, .segment = 100}, 2, 1},
        {{.length = 200, .segment = 100}, 2, 100},
        {{.length = 64, .segment = 1}, 64, 1},
        {{.length = 65500, .segment = 1472}, 45, 732},
};

static void
pieces_make_up_the_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct train *train = &samples[i].train;
		size_t offset = 0, piece = 0;
		uint32_t pieces = 0;

		print_message("%zu bytes by %zu\n", train->length, train->segment);
		do {
			piece = train_piece(train, offset);
			offset += piece;
			pieces++;
			if (offset < train->length)
				assert_int_equal(piece, train->segment);
		} while (offset < train->length);
		assert_int_equal(offset, train->length);
		assert_int_equal(piece, samples[i].last);
		assert_int_equal(pieces, samples[i].count);
		assert_int_equal(train_count(train), samples[i].count);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(pieces_make_up_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
