/*
 * What is proven of src/echod/bucket.c: a bucket never holds more than its burst, and over any time
 * never gives more than a burst and what came in that time.
 *
 * Tokens are counted as the time that they take to come.
 */
#include "echod/bucket.h"
#include "echod/common/clock.h"

/*@ predicate bucket_rule_sound(struct bucket_rule *rule) =
      rule->token_ns <= NS_PER_S && rule->token_ns <= rule->full_ns <= NS_PER_S << 32;

    logic integer bucket_spent(struct bucket *bucket, integer now) =
      \max(0, bucket->full_at_ns - now);

    logic integer bucket_left(struct bucket *bucket, struct bucket_rule *rule, integer now) =
      rule->full_ns - bucket_spent(bucket, now);

    predicate bucket_time(struct bucket_rule *rule, integer now) =
      now + rule->full_ns <= UINT64_MAX;
*/

/*@ requires rate <= NS_PER_S && burst < 1 << 32 && (rate > 0 ==> burst > 0);
    terminates \true;
    assigns \result \from rate, burst;
    ensures rate == 0 ==> \result.token_ns == 0;
    ensures rate > 0 ==> \result.token_ns * rate <= NS_PER_S < (\result.token_ns + 1) * rate;
    ensures \result.full_ns == \result.token_ns * burst;
    ensures \result.token_ns <= \result.full_ns <= NS_PER_S << 32;
*/
struct bucket_rule bucket_rule(uint64_t rate, uint64_t burst);

/*@ requires \valid_read(bucket);
    terminates \true;
    assigns \result \from *bucket, now_ns;
    ensures \result == bucket_spent(bucket, now_ns);
*/
static uint64_t spent_ns(const struct bucket *bucket, uint64_t now_ns);

/*@ requires \valid(bucket) && \valid_read(rule) && \separated(bucket, rule);
    requires bucket_rule_sound(rule) && bucket_time(rule, now_ns) && count <= 1 << 32;
    terminates \true;
    assigns *bucket;
    behavior enough:
      assumes rule->token_ns * count <= bucket_left(bucket, rule, now_ns);
      ensures \result && bucket_left(bucket, rule, now_ns) ==
        \old(bucket_left(bucket, rule, now_ns)) - rule->token_ns * count;
    behavior too_few:
      assumes rule->token_ns * count > bucket_left(bucket, rule, now_ns);
      ensures !\result && *bucket == \old(*bucket);
    complete behaviors;
    disjoint behaviors;
*/
bool bucket_take(
        struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ns, uint64_t count);

/*@ requires \valid_read(bucket) && \valid_read(rule);
    requires bucket_rule_sound(rule) && bucket_time(rule, now_ns);
    terminates \true;
    assigns \result \from *bucket, *rule, now_ns;
    ensures there_then: rule->token_ns <= bucket_left(bucket, rule, now_ns + \result);
    ensures not_before: \forall integer t; now_ns <= t < now_ns + \result ==>
      rule->token_ns > bucket_left(bucket, rule, t);
*/
uint64_t bucket_wait_ns(
        const struct bucket *bucket, const struct bucket_rule *rule, uint64_t now_ns);

#include "echod/bucket.c"

/* Whatever the sources and the clock decide. */
/*@ terminates \true;
    assigns \result \from \nothing;
    ensures least <= \result <= most;
*/
uint64_t anything(uint64_t least, uint64_t most);

/*
 * A bucket, however it was left, for as long as tokens are taken from it: any counts at any times
 * that do not go backwards.
 */
/*@ requires \valid(bucket) && \valid_read(rule) && \separated(bucket, rule);
    requires bucket_rule_sound(rule) && rule->token_ns > 0;
    requires begin <= end && end + rule->full_ns <= UINT64_MAX / 2;
    assigns *bucket;
    ensures \result * rule->token_ns <= rule->full_ns + (end - begin);
*/
uint64_t
bucket_gives(struct bucket *bucket, const struct bucket_rule *rule, uint64_t begin, uint64_t end)
{
	uint64_t taken = 0, now = begin;

	/*@ loop invariant begin <= now <= end;
	    loop invariant taken > 0 ==> bucket_left(bucket, rule, now) >= 0 &&
	      taken * rule->token_ns <= now - begin + bucket_spent(bucket, now);
	    loop assigns *bucket, taken, now;
	*/
	while (anything(0, 1)) {
		uint64_t count = anything(0, UINT64_C(1) << 32);

		now = anything(now, end);
		/*@ assert taken > 0 ==> bucket_left(bucket, rule, now) >= 0 &&
		      taken * rule->token_ns <= now - begin + bucket_spent(bucket, now); */
		if (bucket_take(bucket, rule, now, count)) {
			/*@ assert taken * rule->token_ns + count * rule->token_ns ==
			      (taken + count) * rule->token_ns; */
			taken += count;
			/*@ assert taken > 0 ==> bucket_left(bucket, rule, now) >= 0; */
			/*@ assert taken * rule->token_ns <= now - begin + bucket_spent(bucket, now); */
		}
	}
	return taken;
}
