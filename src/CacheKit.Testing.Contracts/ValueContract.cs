using System.Collections.Immutable;
using FluentAssertions;
using Xunit;

namespace CacheKit.Testing.Contracts;

/// <summary>That what was stored comes back, told from an absence, and never as a wrong value of another type.</summary>
public abstract class ValueContract : CacheContract
{
    [Fact]
    public async Task What_was_never_stored_is_a_miss_without_a_value()
    {
        var cache = await CreateAsync();
        var lookup = await Soon(cache.GetAsync<string>("k"));

        lookup.IsHit.Should().BeFalse();
        lookup.IsStale.Should().BeFalse();
        lookup.TryGetValue(out _).Should().BeFalse();
        lookup.GetValueOrDefault("fallback").Should().Be("fallback");
        lookup.Invoking(miss => miss.Value).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public async Task A_null_that_was_stored_is_a_hit()
    {
        var cache = await CreateAsync();
        await cache.SetAsync<string?>("k", null);

        var lookup = await Soon(cache.GetAsync<string?>("k"));
        lookup.IsHit.Should().BeTrue();
        lookup.Value.Should().BeNull();
        (await Soon(cache.ExistsAsync("k"))).Should().BeTrue();
    }

    [Fact]
    public async Task A_null_that_a_factory_made_is_not_made_again()
    {
        var cache = await CreateAsync();
        var runs = 0;
        for (var i = 0; i < 3; i++)
        {
            (await Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult<string?>(++runs > 1 ? "again" : null)))).Should().BeNull();
        }

        runs.Should().Be(1);
    }

    [Fact]
    public async Task A_nullable_number_without_a_value_is_a_hit()
    {
        var cache = await CreateAsync();
        await cache.SetAsync<int?>("k", null);
        var lookup = await Soon(cache.GetAsync<int?>("k"));
        lookup.IsHit.Should().BeTrue();
        lookup.Value.Should().BeNull();
    }

    [Fact]
    public async Task Default_values_are_hits()
    {
        var cache = await CreateAsync();
        await DefaultIsHitAsync(cache, 0);
        await DefaultIsHitAsync(cache, false);
        await DefaultIsHitAsync(cache, Guid.Empty);
        await DefaultIsHitAsync(cache, "");
        await DefaultIsHitAsync(cache, default(DateTime));
        await DefaultIsHitAsync(cache, default((int, string?)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(128)]
    [InlineData(1_024)]
    [InlineData(16_384)]
    [InlineData(84_991)]
    [InlineData(1_048_577)]
    public async Task Bytes_come_back_exactly(int length)
    {
        var cache = await CreateAsync();
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        await cache.SetAsync("k", bytes.ToArray());
        (await Soon(cache.GetAsync<byte[]>("k"))).Value.Should().Equal(bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("plain")]
    [InlineData("\0 \u00e9 e\u0301 \U0001F600 \r\n")]
    public async Task Text_comes_back_exactly(string text)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", text);
        await ExpectAsync(cache, "k", text);
    }

    [Fact]
    public async Task Values_of_many_types_come_back()
    {
        var cache = await CreateAsync();
        await RoundTripAsync(cache, int.MinValue);
        await RoundTripAsync(cache, long.MaxValue);
        await RoundTripAsync(cache, ulong.MaxValue);
        await RoundTripAsync(cache, double.NaN);
        await RoundTripAsync(cache, -0.0);
        await RoundTripAsync(cache, decimal.MaxValue);
        await RoundTripAsync(cache, 'x');
        await RoundTripAsync(cache, DateTimeOffset.MaxValue);
        await RoundTripAsync(cache, TimeSpan.MinValue);
        await RoundTripAsync(cache, DayOfWeek.Friday);
        await RoundTripAsync(cache, (1, "two", 3.0));
        await RoundTripAsync(cache, new Point(3, 4));
        await RoundTripAsync(cache, new Uri("https://example.org/a?b#c"));
    }

    [Fact]
    public async Task Objects_come_back_with_all_they_are_made_of()
    {
        var cache = await CreateAsync();
        var order = new Order
        {
            Id = 7,
            Lines = [new("a", 2), new("b", 3)],
            Notes = { ["x"] = "y" },
            Previous = new Order { Id = 6, Lines = [] },
            Marks = ImmutableArray.Create(1, 2, 3),
        };
        await cache.SetAsync("k", order);
        (await Soon(cache.GetAsync<Order>("k"))).Value.Should().BeEquivalentTo(order);
    }

    [Fact]
    public async Task A_set_replaces_a_value_even_by_one_of_another_type()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 1);
        await cache.SetAsync("k", 2);
        await ExpectAsync(cache, "k", 2);
        await cache.SetAsync("k", "three");
        await ExpectAsync(cache, "k", "three");
    }

    [Fact]
    public async Task A_value_is_found_as_a_type_it_is_assignable_to()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", "text");
        await ExpectAsync<object>(cache, "k", "text");
        await ExpectAsync<IComparable>(cache, "k", "text");
    }

    [Fact]
    public async Task A_value_stored_as_object_is_found_as_its_own_type()
    {
        var cache = await CreateAsync();
        await cache.SetAsync<object>("text", "value");
        await cache.SetAsync<object>("number", 7);
        await ExpectAsync(cache, "text", "value");
        await ExpectAsync(cache, "number", 7);
    }

    [Fact]
    public async Task A_value_is_found_as_nullable_of_its_type_and_back()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("plain", 7);
        await cache.SetAsync<int?>("nullable", 8);
        await ExpectAsync<int?>(cache, "plain", 7);
        await ExpectAsync(cache, "nullable", 8);
    }

    [Fact]
    public async Task Integers_convert_as_long_as_they_fit()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("int", 200);
        await cache.SetAsync("long", -5L);
        await ExpectAsync(cache, "int", 200L);
        await ExpectAsync(cache, "int", (byte)200);
        await ExpectAsync(cache, "int", 200UL);
        await ExpectAsync<short?>(cache, "int", 200);
        await ExpectAsync(cache, "long", (sbyte)-5);
        await ExpectAsync(cache, "long", -5);
    }

    [Theory]
    [InlineData(256L)]
    [InlineData(-1L)]
    [InlineData(long.MaxValue)]
    public async Task An_integer_that_does_not_fit_is_an_OverflowException_and_stays(long value)
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", value);
        var act = () => Soon(cache.GetAsync<byte>("k"));
        (await act.Should().ThrowAsync<OverflowException>()).Which.Message.Should().Contain("'System.Int64'").And.Contain("'System.Byte'").And.NotContain($"{value}");
        await ExpectAsync(cache, "k", value);
    }

    [Fact]
    public async Task Reading_as_another_type_is_an_error_that_names_both_types_and_no_value()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("the-key", "the-secret");
        var act = () => Soon(cache.GetAsync<Point>("the-key"));

        var error = (await act.Should().ThrowAsync<CacheTypeMismatchException>()).Which;
        error.RequestedType.Should().Be<Point>();
        error.StoredType.Should().Be<string>();
        error.Message.Should().Contain(typeof(Point).ToString()).And.Contain(typeof(string).ToString());
        error.Message.Should().NotContain("the-secret").And.NotContain("the-key");
        await ExpectAsync(cache, "the-key", "the-secret");
    }

    [Fact]
    public async Task Numbers_do_not_become_other_kinds_of_numbers_or_text()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", 7);
        await MismatchesAsync<double>(cache);
        await MismatchesAsync<decimal>(cache);
        await MismatchesAsync<string>(cache);
        await MismatchesAsync<DayOfWeek>(cache);
        await MismatchesAsync<char>(cache);
        await MismatchesAsync<bool>(cache);
    }

    [Fact]
    public async Task A_null_is_not_found_as_a_type_that_has_no_null()
    {
        var cache = await CreateAsync();
        await cache.SetAsync<string?>("k", null);
        await MismatchesAsync<int>(cache);
        await MismatchesAsync<Uri>(cache);
    }

    [Fact]
    public async Task A_get_or_create_of_another_type_is_an_error_and_makes_nothing()
    {
        var cache = await CreateAsync();
        await cache.SetAsync("k", "text");
        var runs = 0;
        var act = () => Soon(cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(new Point(++runs, 0))));
        await act.Should().ThrowAsync<CacheTypeMismatchException>();
        runs.Should().Be(0);
        await ExpectAsync(cache, "k", "text");
    }

    [Fact]
    public async Task Reading_as_another_type_is_a_miss_if_the_cache_says_so()
    {
        var cache = await CreateAsync(options => options.Cache.TypeMismatch = TypeMismatch.Miss);
        await cache.SetAsync("k", "text");
        (await Soon(cache.GetAsync<Point>("k"))).IsHit.Should().BeFalse();
        await ExpectAsync(cache, "k", "text");
        (await CreateOrGet(cache, "k", new Point(1, 2))).Should().Be(new Point(1, 2));
        await ExpectAsync(cache, "k", new Point(1, 2));
    }

    [Fact]
    public async Task A_caller_who_meets_a_factory_that_makes_another_type_gets_an_error_and_the_factory_goes_on()
    {
        var cache = await CreateAsync();
        var held = new HeldFactory<string>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        await Soon(held.Started);
        var act = () => CreateOrGet(cache, "k", new Point(1, 2));
        await act.Should().ThrowAsync<CacheTypeMismatchException>();

        held.Return("text");
        (await Soon(load)).Should().Be("text");
        await ExpectAsync(cache, "k", "text");
    }

    [Fact]
    public async Task A_caller_who_meets_a_factory_that_makes_another_type_runs_its_own_if_the_cache_says_so()
    {
        var cache = await CreateAsync(options => options.Cache.TypeMismatch = TypeMismatch.Miss);
        var held = new HeldFactory<string>();
        var load = cache.GetOrCreateAsync("k", held.RunAsync).AsTask();
        await Soon(held.Started);
        (await CreateOrGet(cache, "k", new Point(1, 2))).Should().Be(new Point(1, 2));

        held.Return("text");
        (await Soon(load)).Should().Be("text");
        await ExpectAsync(cache, "k", new Point(1, 2));
    }

    private static async Task DefaultIsHitAsync<T>(ICache cache, T value)
    {
        var key = typeof(T).Name;
        await cache.SetAsync(key, value);
        await ExpectAsync(cache, key, value);
        var runs = 0;
        await Soon(cache.GetOrCreateAsync(key, _ => { runs++; return ValueTask.FromResult(value); }));
        runs.Should().Be(0);
    }

    private static async Task RoundTripAsync<T>(ICache cache, T value)
    {
        await cache.SetAsync("k", value);
        await ExpectAsync(cache, "k", value);
        await cache.RemoveAsync("k");
    }

    private static async Task MismatchesAsync<T>(ICache cache)
    {
        var act = () => Soon(cache.GetAsync<T>("k"));
        (await act.Should().ThrowAsync<CacheTypeMismatchException>()).Which.RequestedType.Should().Be<T>();
    }

    /// <summary>A small value type to store.</summary>
    public readonly record struct Point(int X, int Y);

    /// <summary>A part of an <see cref="Order"/>.</summary>
    public sealed record OrderLine(string Product, int Quantity);

    /// <summary>An object graph to store.</summary>
    public sealed class Order
    {
        public int Id { get; set; }

        public IReadOnlyList<OrderLine> Lines { get; set; } = [];

        public Dictionary<string, string> Notes { get; } = [];

        public Order? Previous { get; set; }

        public ImmutableArray<int> Marks { get; set; } = [];
    }
}
