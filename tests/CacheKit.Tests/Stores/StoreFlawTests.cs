using System.Reflection;
using CacheKit.Stores;
using CacheKit.Testing.Contracts.Stores;
using CacheKit.Testing.Stores;
using FluentAssertions.Execution;

namespace CacheKit.Tests.Stores;

/// <summary>The contract of stores finds the mistakes it is there to find.</summary>
public sealed class StoreFlawTests
{
    private static readonly Type[] _contracts =
    [
        typeof(ReadWrite), typeof(Condition), typeof(Invalidation), typeof(Tag), typeof(Expiration), typeof(Concurrency), typeof(Streaming),
    ];

    public static TheoryData<StoreFlaw, string> Flaws => new()
    {
        { StoreFlaw.StampTakenLate, nameof(StoreConditionContract.A_value_begun_before_an_entry_was_removed_is_refused_though_the_key_is_empty_again) },
        { StoreFlaw.StampTakenLate, nameof(StoreConditionContract.What_was_set_and_has_expired_since_is_not_replaced_by_a_value_begun_before) },
        { StoreFlaw.StampTakenLate, nameof(StoreTagContract.A_tag_that_a_factory_chose_counts_from_the_read_before_it) },
        { StoreFlaw.StampTakenLate, nameof(StoreConcurrencyContract.No_read_after_an_invalidation_gets_an_older_value) },
        { StoreFlaw.StampTakenLate, nameof(StoreConcurrencyContract.No_read_after_an_invalidation_gets_an_older_value_when_only_loads_write) },
        { StoreFlaw.StampTakenLate, nameof(StoreConcurrencyContract.No_read_after_an_invalidation_by_tag_gets_an_older_value) },
        { StoreFlaw.ForgetsFences, nameof(StoreInvalidationContract.Fences_of_many_keys_keep_old_values_out) },
        { StoreFlaw.ForgetsFences, nameof(StoreInvalidationContract.A_value_begun_before_a_clear_is_refused_or_dead_when_it_comes) },
        { StoreFlaw.ForgetsFences, nameof(StoreConcurrencyContract.No_read_after_an_invalidation_gets_an_older_value) },
        { StoreFlaw.IgnoresTagsOfLateValues, nameof(StoreTagContract.A_tag_that_a_factory_chose_counts_from_the_read_before_it) },
        { StoreFlaw.IgnoresTagsOfLateValues, nameof(StoreConcurrencyContract.No_read_after_an_invalidation_by_tag_gets_an_older_value) },
        { StoreFlaw.KeepsOldTags, nameof(StoreTagContract.An_entry_set_again_under_other_tags_forgets_the_old_ones) },
        { StoreFlaw.NotModifiedAlways, nameof(StoreConditionContract.Who_knows_another_entry_is_given_the_bytes) },
        { StoreFlaw.NotModifiedAlways, nameof(StoreConcurrencyContract.No_read_after_an_invalidation_gets_an_older_value) },
        { StoreFlaw.ReplacesUnderAFreshStamp, nameof(StoreConditionContract.What_replaces_an_entry_is_covered_by_invalidations_of_its_own_tags_since_that_entry) },
        { StoreFlaw.ReplacesUnderAFreshStamp, nameof(StoreConditionContract.What_replaces_an_entry_that_was_made_to_expire_meanwhile_is_not_fresh) },
        { StoreFlaw.RevivesWhatWasExpired, nameof(StoreExpirationContract.Moving_the_end_does_not_freshen_what_was_made_to_expire) },
        { StoreFlaw.RevivesWhatWasExpired, nameof(StoreConcurrencyContract.No_read_after_an_invalidation_gets_an_older_value) },
        { StoreFlaw.ClearsWithoutAFence, nameof(StoreInvalidationContract.A_value_begun_before_a_clear_is_refused_or_dead_when_it_comes) },
        { StoreFlaw.EndsAnInstantLate, nameof(StoreExpirationContract.An_entry_is_gone_from_the_instant_it_is_retained_until) },
        { StoreFlaw.TakesAllForAny, nameof(StoreTagContract.All_of_several_tags_take_what_carries_all_of_them) },
        { StoreFlaw.TakesAllForAny, nameof(StoreTagContract.Many_removals_by_all_of_several_tags_each_take_what_they_should) },
        { StoreFlaw.TakesAnyForAll, nameof(StoreTagContract.Several_tags_at_once_take_what_carries_any_of_them) },
        { StoreFlaw.DoesNotExpire, nameof(StoreInvalidationContract.Expiring_leaves_a_stale_entry) },
        { StoreFlaw.DoesNotExpire, nameof(StoreConcurrencyContract.No_read_after_an_invalidation_gets_an_older_value) },
        { StoreFlaw.IgnoresCase, nameof(StoreReadWriteContract.Keys_that_differ_at_all_are_different_keys) },
        { StoreFlaw.IgnoresNames, nameof(StoreReadWriteContract.Caches_of_different_names_on_the_same_ground_do_not_see_each_other) },
        { StoreFlaw.AddsOverAnything, nameof(StoreConditionContract.Add_stores_only_where_nothing_unexpired_is) },
        { StoreFlaw.AddsOverAnything, nameof(StoreConditionContract.Of_many_who_add_at_once_one_succeeds) },
        { StoreFlaw.StampOfTheEnd, nameof(StoreStreamContract.Whatever_happens_to_the_key_or_its_tags_meanwhile_is_later) },
        { StoreFlaw.StampOfTheEnd, nameof(StoreStreamContract.Of_two_that_come_at_once_the_one_that_began_later_stays) },
        { StoreFlaw.ShowsWhatIsNotComplete, nameof(StoreStreamContract.Nothing_of_it_is_readable_before_it_is_complete_and_what_was_there_is) },
        { StoreFlaw.KeepsPartsOfTheCaller, nameof(StoreStreamContract.What_comes_part_by_part_is_one_entry_after_what_is_given_at_the_end) },
        { StoreFlaw.ReadsTheEntryOfTheMoment, nameof(StoreStreamContract.Who_has_opened_an_entry_gets_that_one_or_an_error_whatever_becomes_of_it) },
        { StoreFlaw.LeavesWhatIsOlder, nameof(StoreStreamContract.A_removal_of_its_tag_meanwhile_leaves_nothing_older) },
        { StoreFlaw.ReplacesEqualStamps, nameof(StoreConditionContract.Of_two_values_begun_at_the_same_stamp_the_first_stays) },
    };

    [Theory]
    [MemberData(nameof(Flaws))]
    public async Task A_flaw_turns_a_test_red(StoreFlaw flaw, string test)
    {
        var act = () => RunAsync(flaw, test);
        await act.Should().ThrowAsync<AssertionFailedException>();
    }

    [Fact]
    public async Task Without_a_flaw_the_same_tests_are_green()
    {
        foreach (var test in Flaws.Select(row => row.Data.Item2).Distinct())
        {
            await RunAsync(StoreFlaw.None, test);
        }
    }

    private static async Task RunAsync(StoreFlaw flaw, string test)
    {
        var method = _contracts.Select(contract => contract.GetMethod(test)).OfType<MethodInfo>().Single();
        var contract = (StoreContract)Activator.CreateInstance(method.ReflectedType!, flaw)!; // one of the classes below
        await contract.InitializeAsync();
        await (Task)method.Invoke(contract, method.GetCustomAttributes<InlineDataAttribute>().FirstOrDefault()?.Data)!; // a test
        await contract.DisposeAsync();
    }

    private static ValueTask<ICacheStore> Build(InMemoryStoreState state, StoreFlaw flaw, TimeProvider clock, StoreContractOptions options) =>
        new(new FlawedStore(new InMemoryStore(state, clock, flaw == StoreFlaw.IgnoresNames ? "" : options.CacheName), flaw, clock));

#pragma warning disable xUnit1000 // not to be found: they fail on purpose

    private sealed class ReadWrite(StoreFlaw flaw) : StoreReadWriteContract
    {
        private readonly InMemoryStoreState _state = new();

        protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => Build(_state, flaw, Clock, options);
    }

    private sealed class Condition(StoreFlaw flaw) : StoreConditionContract
    {
        private readonly InMemoryStoreState _state = new();

        protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => Build(_state, flaw, Clock, options);
    }

    private sealed class Invalidation(StoreFlaw flaw) : StoreInvalidationContract
    {
        private readonly InMemoryStoreState _state = new();

        protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => Build(_state, flaw, Clock, options);
    }

    private sealed class Tag(StoreFlaw flaw) : StoreTagContract
    {
        private readonly InMemoryStoreState _state = new();

        protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => Build(_state, flaw, Clock, options);
    }

    private sealed class Expiration(StoreFlaw flaw) : StoreExpirationContract
    {
        private readonly InMemoryStoreState _state = new();

        protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => Build(_state, flaw, Clock, options);
    }

    private sealed class Concurrency(StoreFlaw flaw) : StoreConcurrencyContract
    {
        private readonly InMemoryStoreState _state = new();

        protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) => Build(_state, flaw, Clock, options);
    }

    private sealed class Streaming(StoreFlaw flaw) : StoreStreamContract
    {
        private readonly InMemoryStoreState _state = new();

        protected override ValueTask<ICacheStore> BuildAsync(StoreContractOptions options) =>
            new(new FlawedStreamStore(new InMemoryStreamStore(_state, Clock, options.CacheName), flaw));
    }
#pragma warning restore xUnit1000
}
