using System.Globalization;
using CacheKit.Engine;
using CacheKit.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace CacheKit.Tests.Consistency;

/// <summary>One step of a random sequence, which a cache and its model take alike; each says what it returned.</summary>
/// <remarks>
/// All times are multiples of five seconds and the clock moves by multiples of ten, so that the second that upkeep takes to
/// note an expiration by tag makes no difference.
/// </remarks>
internal sealed record ModelStep(ModelStep.Kind What, int Key, int Tags, int Choice, int Value)
{
    private static readonly string[] _tags = ["t", "u"];
    private static readonly TimeSpan[] _times = [Seconds(0), Seconds(10), Seconds(25), TimeSpan.MaxValue];

    private static readonly CacheEntryOptions[] _lifetimes =
    [
        new(),
        new() { Expiration = Seconds(0) },
        new() { Expiration = Seconds(20) },
        new() { Expiration = Seconds(20), StaleFor = Seconds(35) },
        new() { Expiration = Seconds(40), RefreshAheadThreshold = 0.5 },
        new() { Expiration = Seconds(40), RefreshAheadThreshold = 0.5, StaleFor = Seconds(35) },
        new() { SlidingExpiration = Seconds(15) },
        new() { SlidingExpiration = Seconds(15), Expiration = Seconds(40), StaleFor = Seconds(35) },
        new() { StaleFor = Seconds(0) },
    ];

    internal enum Kind
    {
        Get,
        GetAllowingStale,
        GetMany,
        Set,
        SetMany,
        TryAdd,
        GetOrCreate,
        GetOrCreateMany,
        Remove,
        RemoveMany,
        RemoveByTag,
        RemoveByAnyTag,
        RemoveByAllTags,
        Clear,
        Expire,
        ExpireByTag,
        Increment,
        GetTimeToLive,
        SetTimeToLive,
        Touch,
        Exists,
        Advance,
    }

    internal static Gen<ModelStep> Any { get; } =
        from what in Gen.Frequency([.. Enum.GetValues<Kind>().Select(static kind => (Weight(kind), Gen.Constant(kind)))])
        from key in Gen.Choose(0, 2)
        from tags in Gen.Choose(0, 3)
        from choice in Gen.Choose(0, (_lifetimes.Length * 5 * 2) - 1)
        from value in Gen.Choose(1, 1000)
        select new ModelStep(what, key, tags, choice, value);

    private string Name => $"k{Key}";

    /// <summary>Two keys of the three, or all.</summary>
    private string[] Names => Choice % 2 == 0 ? ["k0", "k1", "k2"] : [Name, $"k{(Key + 1) % 3}"];

    private string[] TagSet => [.. _tags.Where((_, index) => (Tags & (1 << index)) != 0)];

    private string[] SomeTags => TagSet is { Length: > 0 } tags ? tags : _tags;

    private TimeSpan Time => _times[Choice % _times.Length];

    private CacheEntryOptions Lifetime => _lifetimes[Choice % _lifetimes.Length];

    private CacheEntryOptions Options => With(TagSet);

    /// <summary>A factory adds its tags late; the options name none.</summary>
    private CacheEntryOptions Untagged => With(null);

    private CacheCounterOptions CounterOptions => new() { InitialValue = Value, Tags = TagSet, Expiration = Choice % 2 == 0 ? null : Seconds(20) };

    private Source Source => new((Outcome)(Choice / _lifetimes.Length % 5), Value, TagSet);

    internal string TakeOn(CacheModel model)
    {
        switch (What)
        {
            case Kind.Get:
                return model.Get(Name, allowsStale: false);
            case Kind.GetAllowingStale:
                return model.Get(Name, allowsStale: true);
            case Kind.GetMany:
                return string.Join(", ", Names.Select(key => model.Get(key, allowsStale: false)));
            case Kind.Set:
                model.Set(Name, Value, Options);
                return "";
            case Kind.SetMany:
                return Say(Names.Count(key => model.Set(key, Value, Options)));
            case Kind.TryAdd:
                return Say(model.TryAdd(Name, Value, Options));
            case Kind.GetOrCreate:
                return model.GetOrCreate(Name, Untagged, Source);
            case Kind.GetOrCreateMany:
                return model.GetOrCreateMany(Names, Untagged, Source with { IsForMany = true });
            case Kind.Remove:
                return Say(model.Remove(Name));
            case Kind.RemoveMany:
                return Say(Names.Count(model.Remove));
            case Kind.RemoveByTag:
                model.RemoveByTags([SomeTags[0]], TagMatch.Any);
                return "";
            case Kind.RemoveByAnyTag:
                model.RemoveByTags(SomeTags, TagMatch.Any);
                return "";
            case Kind.RemoveByAllTags:
                model.RemoveByTags(SomeTags, TagMatch.All);
                return "";
            case Kind.Clear:
                model.Clear();
                return "";
            case Kind.Expire:
                return Say(model.Expire(Name));
            case Kind.ExpireByTag:
                model.ExpireByTag(SomeTags[0]);
                return "";
            case Kind.Increment:
                return Say(model.Increment(Name, Tags, CounterOptions));
            case Kind.GetTimeToLive:
                return Say(model.GetTimeToLive(Name));
            case Kind.SetTimeToLive:
                return Say(model.SetTimeToLive(Name, Time));
            case Kind.Touch:
                return Say(model.IsThere(Name, isRead: true));
            case Kind.Exists:
                return Say(model.IsThere(Name));
            default:
                model.Advance(Step);
                return "";
        }
    }

    internal string TakeOn(Cache cache, ManualTimeProvider time)
    {
        switch (What)
        {
            case Kind.Get:
                return Say(Result(cache.GetAsync<long>(Name)));
            case Kind.GetAllowingStale:
                return Say(Result(cache.GetAsync<long>(Name, new() { AllowStale = true }, default)));
            case Kind.GetMany:
                var lookups = Result(cache.GetManyAsync<long>(Names));
                return string.Join(", ", Names.Select(key => Say(lookups[key])));
            case Kind.Set:
                cache.SetAsync(Name, (long)Value, Options).IsCompletedSuccessfully.Should().BeTrue();
                return "";
            case Kind.SetMany:
                return Say(Result(cache.SetManyAsync<long>(Names.Select(key => new KeyValuePair<string, long>(key, Value)), Options)));
            case Kind.TryAdd:
                return Say(Result(cache.TryAddAsync(Name, (long)Value, Options)));
            case Kind.GetOrCreate:
                return SayOrFail(() => Say(Result(cache.GetOrCreateAsync(Name, this, static (step, context, _) => ValueTask.FromResult(step.Make(context)), Untagged))));
            case Kind.GetOrCreateMany:
                return SayOrFail(() => string.Join(
                    ", ",
                    Result(cache.GetOrCreateManyAsync(Names, this, static (step, context, _) => ValueTask.FromResult<IReadOnlyDictionary<string, long>>(step.MakeMany(context)), Untagged))
                        .OrderBy(static pair => pair.Key, StringComparer.Ordinal).Select(static pair => $"{pair.Key}={pair.Value}")));
            case Kind.Remove:
                return Say(Result(cache.RemoveAsync(Name)));
            case Kind.RemoveMany:
                return Say(Result(cache.RemoveManyAsync(Names)));
            case Kind.RemoveByTag:
                cache.RemoveByTagAsync(SomeTags[0]).IsCompletedSuccessfully.Should().BeTrue();
                return "";
            case Kind.RemoveByAnyTag:
                cache.RemoveByTagsAsync(SomeTags).IsCompletedSuccessfully.Should().BeTrue();
                return "";
            case Kind.RemoveByAllTags:
                cache.RemoveByTagsAsync(SomeTags, TagMatch.All).IsCompletedSuccessfully.Should().BeTrue();
                return "";
            case Kind.Clear:
                cache.ClearAsync().IsCompletedSuccessfully.Should().BeTrue();
                return "";
            case Kind.Expire:
                return Say(Result(cache.ExpireAsync(Name)));
            case Kind.ExpireByTag:
                cache.ExpireByTagAsync(SomeTags[0]).IsCompletedSuccessfully.Should().BeTrue();
                return "";
            case Kind.Increment:
                return Say(Result(cache.IncrementAsync(Name, Tags, CounterOptions)));
            case Kind.GetTimeToLive:
                return Say(Result(cache.GetTimeToLiveAsync(Name)));
            case Kind.SetTimeToLive:
                return Say(Result(cache.SetTimeToLiveAsync(Name, Time)));
            case Kind.Touch:
                return Say(Result(cache.TouchAsync(Name)));
            case Kind.Exists:
                return Say(Result(cache.ExistsAsync(Name)));
            default:
                time.Advance(Step);
                return "";
        }
    }

    private TimeSpan Step => Seconds(10 * (1 + (Choice % 3)));

    private long Make(CacheEntryContext context)
    {
        var source = Source;
        context.AddTags(source.LateTags);
        switch (source.Outcome)
        {
            case Outcome.Failure:
                throw new TimeZoneNotFoundException();
            case Outcome.NotStored:
                context.SkipStoring();
                break;
            case Outcome.NotModified:
                return context.GetStale<long>().GetValueOrDefault(source.Value);
        }

        return source.Value;
    }

    private Dictionary<string, long> MakeMany(CacheBatchContext context) =>
        context.Keys.Skip(Source.Outcome == Outcome.LeavingOut ? 1 : 0).ToDictionary(static key => key, key => Make(context.For(key)));

    private CacheEntryOptions With(string[]? tags) => new()
    {
        Tags = tags,
        Expiration = Lifetime.Expiration,
        SlidingExpiration = Lifetime.SlidingExpiration,
        StaleFor = Lifetime.StaleFor,
        RefreshAheadThreshold = Lifetime.RefreshAheadThreshold,
    };

    private static int Weight(Kind kind) => kind switch
    {
        Kind.GetOrCreate => 8,
        Kind.Set or Kind.Get or Kind.GetOrCreateMany or Kind.Advance => 5,
        Kind.Clear => 1,
        _ => 2,
    };

    private static TimeSpan Seconds(int seconds) => TimeSpan.FromSeconds(seconds);

    private static string SayOrFail(Func<string> call)
    {
        try
        {
            return call();
        }
        catch (TimeZoneNotFoundException)
        {
            return "failure";
        }
    }

    /// <summary>Everything is over when the call returns: no factory here awaits anything.</summary>
    private static T Result<T>(ValueTask<T> pending)
    {
        pending.IsCompleted.Should().BeTrue();
        return pending.GetAwaiter().GetResult();
    }

    private static string Say(CacheLookup<long> lookup) => lookup.IsHit ? Say($"{lookup} {lookup.Value}") : "miss";

    private static string Say<T>(T value) => string.Create(CultureInfo.InvariantCulture, $"{value}");
}
