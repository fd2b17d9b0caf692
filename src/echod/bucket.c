#include "echod/bucket.h"

#include "echod/common/clock.h"

struct bucket_rule
bucket_rule(uint64_t rate, uint64_t burst)
{
	uint64_t token_ns = rate ? NS_PER_S / rate : 0;

	return (struct bucket_rule){.token_ns = token_ns, .full_ns = token_ns * burst};
}

/* How much of the bucket's time is spent. */
static uint64_t
spent_ns(const struct bucket *bucket, uint64_t now_ns)
{
	return bucket->full_at_ns > now_ns ? bucket->full_at_ns - now_ns : 0;
}

bool
bucket_take(struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ns, uint64_t count)
{
	uint64_t spent = spent_ns(bucket, now_ns), price = rule->token_ns * count;

	if (price > rule->full_ns || spent > rule->full_ns - price)
		return false;
	bucket->full_at_ns = now_ns + spent + price;
	return true;
}

uint64_t
bucket_wait_ns(const struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ns)
{
	uint64_t spent = spent_ns(bucket, now_ns), room = rule->full_ns - rule->token_ns;

	return spent > room ? spent - room : 0;
}
