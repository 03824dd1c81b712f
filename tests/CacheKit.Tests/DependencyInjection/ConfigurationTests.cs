using System.Globalization;
using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace CacheKit.Tests.DependencyInjection;

public sealed class ConfigurationTests
{
    private const string EntryOptionNames =
        "Expiration, SlidingExpiration, Jitter, Tags, Size, StaleFor, RetryAfterFailure, RefreshAheadThreshold, SoftTimeout, HardTimeout, Isolate, AllowStale, MemoryExpiration, Tiers, Compress";

    [Fact]
    public void Every_option_that_is_not_code_can_be_configured()
    {
        using var provider = Bind("""
            {
              "DefaultEntryOptions": {
                "Expiration": "00:05:00",
                "SlidingExpiration": "00:01:00",
                "Jitter": "00:00:30",
                "Tags": [ "shop", "v2" ],
                "Size": 100,
                "StaleFor": "1.00:00:00",
                "RetryAfterFailure": "00:00:10",
                "RefreshAheadThreshold": 0.8,
                "SoftTimeout": "00:00:00.250",
                "HardTimeout": "00:00:10",
                "Isolate": true,
                "AllowStale": false
              },
              "TypeMismatch": "Miss",
              "Isolation": { "IsolateAll": true },
              "Serialization": { "Compress": true, "CompressionThreshold": 4096, "MaximumDecompressedBytes": 1048576 },
              "Memory": {
                "MaximumBytes": 1048576,
                "MemoryPressureShare": 0.25,
                "MaintenanceInterval": "00:00:05"
              }
            }
            """);
        var options = provider.GetRequiredService<IOptions<CacheKitOptions>>().Value;
        options.DefaultEntryOptions.Should().BeEquivalentTo(new CacheEntryOptions
        {
            Expiration = TimeSpan.FromMinutes(5),
            SlidingExpiration = TimeSpan.FromMinutes(1),
            Jitter = TimeSpan.FromSeconds(30),
            Tags = ["shop", "v2"],
            Size = 100,
            StaleFor = TimeSpan.FromDays(1),
            RetryAfterFailure = TimeSpan.FromSeconds(10),
            RefreshAheadThreshold = 0.8,
            SoftTimeout = TimeSpan.FromMilliseconds(250),
            HardTimeout = TimeSpan.FromSeconds(10),
            Isolate = true,
            AllowStale = false,
        });
        options.TypeMismatch.Should().Be(TypeMismatch.Miss);
        options.Serialization.Should().BeEquivalentTo(new SerializationOptions { Compress = true, CompressionThreshold = 4096, MaximumDecompressedBytes = 1 << 20 });
        options.Isolation.IsolateAll.Should().BeTrue();
        provider.GetRequiredService<IOptions<MemoryOptions>>().Value.Should().BeEquivalentTo(new MemoryOptions
        {
            MaximumBytes = 1 << 20,
            MemoryPressureShare = 0.25,
            MaintenanceInterval = TimeSpan.FromSeconds(5),
        });
    }

    [Fact]
    public void Every_property_of_the_options_is_known_to_the_configuration()
    {
        // A property added later must be readable, or be named as one that can only be set in code.
        foreach (var (path, type) in new[]
        {
            ("DefaultEntryOptions:", typeof(CacheEntryOptions)), ("", typeof(CacheKitOptions)), ("Isolation:", typeof(IsolationOptions)), ("Memory:", typeof(MemoryOptions)),
            ("Serialization:", typeof(SerializationOptions)),
        })
        {
            foreach (var property in type.GetProperties())
            {
                var section = new ConfigurationBuilder().AddInMemoryCollection([new($"CacheKit:{path}{property.Name}", "")]).Build().GetSection("CacheKit");
                using var provider = new ServiceCollection().AddCacheKit(section).BuildServiceProvider();
                ErrorsOf(provider).Should().NotContain(error => error.Contains("no option of this name"), $"{type.Name}.{property.Name} exists");
            }
        }
    }

    [Fact]
    public void What_is_absent_or_null_stays_as_it_was()
    {
        var section = Section("""{ "DefaultEntryOptions": { "Expiration": "00:05:00", "Size": null }, "Memory": { "MaximumEntries": 7 }, "Isolation": {} }""");
        using var provider = new ServiceCollection().AddCacheKit(cache => cache
            .WithDefaults(new() { Expiration = TimeSpan.FromHours(1), Size = 5, Tags = ["a"] })
            .UseMemory(memory => memory.MemoryPressureShare = 0.1)
            .Configure(options => options.Isolation.IsolateAll = true)
            .Bind(section)).BuildServiceProvider();

        var options = provider.GetRequiredService<IOptions<CacheKitOptions>>().Value;
        options.DefaultEntryOptions.Should().BeEquivalentTo(new CacheEntryOptions { Expiration = TimeSpan.FromMinutes(5), Size = 5, Tags = ["a"] });
        options.Isolation.IsolateAll.Should().BeTrue();
        provider.GetRequiredService<IOptions<MemoryOptions>>().Value.Should().BeEquivalentTo(new MemoryOptions { MaximumEntries = 7, MemoryPressureShare = 0.1 });
    }

    [Fact]
    public void What_code_sets_after_the_section_wins()
    {
        using var provider = new ServiceCollection()
            .AddCacheKit(Section("""{ "Memory": { "MaximumEntries": 7 } }"""), cache => cache.UseMemory(memory => memory.MaximumEntries++))
            .AddCacheKit("products", Section("""{ "Memory": { "MaximumEntries": 20 } }"""), cache => cache.UseMemory(memory => memory.MaximumEntries++))
            .BuildServiceProvider();
        provider.GetRequiredService<IOptionsMonitor<MemoryOptions>>().CurrentValue.MaximumEntries.Should().Be(8);
        provider.GetRequiredService<IOptionsMonitor<MemoryOptions>>().Get("products").MaximumEntries.Should().Be(21);
    }

    [Fact]
    public void A_list_may_be_empty_and_then_means_none()
    {
        using var provider = new ServiceCollection().AddCacheKit(cache => cache
            .WithDefaults(new() { Tags = ["a"] })
            .Bind(Section("""{ "DefaultEntryOptions": { "Tags": [] } }"""))).BuildServiceProvider();
        provider.GetRequiredService<IOptions<CacheKitOptions>>().Value.DefaultEntryOptions.Tags.Should().BeEmpty();
    }

    [Fact]
    public void Names_and_choices_are_read_in_any_case()
    {
        using var provider = Bind("""{ "typemismatch": "miss", "MEMORY": { "maximumEntries": 7 } }""");
        provider.GetRequiredService<IOptions<CacheKitOptions>>().Value.TypeMismatch.Should().Be(TypeMismatch.Miss);
        provider.GetRequiredService<IOptions<MemoryOptions>>().Value.MaximumEntries.Should().Be(7);
    }

    [Fact]
    public void A_missing_section_sets_nothing()
    {
        using var provider = new ServiceCollection().AddCacheKit(Section("{}").GetSection("Nowhere")).BuildServiceProvider();
        ErrorsOf(provider).Should().BeEmpty();
    }

    [Fact]
    public void The_culture_makes_no_difference()
    {
        var before = CultureInfo.CurrentCulture;
        try
        {
            CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("de-DE");
            using var provider = Bind("""{ "DefaultEntryOptions": { "RefreshAheadThreshold": 0.8, "SoftTimeout": "00:00:00.5" } }""");
            var defaults = provider.GetRequiredService<IOptions<CacheKitOptions>>().Value.DefaultEntryOptions;
            defaults.RefreshAheadThreshold.Should().Be(0.8);
            defaults.SoftTimeout.Should().Be(TimeSpan.FromSeconds(0.5));
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Theory]
    [InlineData(
        """{ "DefaultEntryOptions": { "Expiratoin": "00:05:00" } }""",
        "Configuration 'CacheKit:DefaultEntryOptions:Expiratoin' is '00:05:00', but there is no option of this name. Did you mean 'Expiration'? Known here: Expiration, *")]
    [InlineData(
        """{ "Memroy": { "MaximumEntries": 5 } }""",
        "Configuration 'CacheKit:Memroy' is a section, but there is no option of this name. Did you mean 'Memory'? Known here: Memory, *")]
    [InlineData(
        """{ "Memory": { "MaxEntries": 5 } }""",
        "Configuration 'CacheKit:Memory:MaxEntries' is '5', but there is no option of this name.* Known here: *MaximumEntries*")]
    [InlineData("""{ "Mem": { "MaximumEntries": 5 } }""", "Configuration 'CacheKit:Mem' is a section, but there is no option of this name. Did you mean 'Memory'? Known here: *")]
    [InlineData("""{ "Postgres": { "Host": "x" } }""", "*'CacheKit:Postgres' is a section, but there is no option of this name. That of a store is known once the store is added,*")]
    [InlineData("""{ "Memory": { "Postgres": { "Host": "x" } } }""", "*'CacheKit:Memory:Postgres' is a section, but there is no option of this name. Known here: *")]
    [InlineData(
        """{ "Whatever": null }""",
        "Configuration 'CacheKit:Whatever' is null, but there is no option of this name. Known here: *")]
    [InlineData(
        """{ "Memory": { "SizeOf": "x" } }""",
        "Configuration 'CacheKit:Memory:SizeOf' cannot be set here: SizeOf can only be set in code.")]
    [InlineData(
        """{ "DefaultEntryOptions": { "Expiration": "5" } }""",
        "Configuration 'CacheKit:DefaultEntryOptions:Expiration' is '5', but must be a duration, written hh:mm:ss with hours up to 23, or d.hh:mm:ss, such as 00:05:00 for five minutes, and greater than zero.")]
    [InlineData("""{ "DefaultEntryOptions": { "Expiration": 300 } }""", "*:Expiration' is '300', but must be a duration*")]
    [InlineData("""{ "DefaultEntryOptions": { "Expiration": "05:00" } }""", "*:Expiration' is '05:00', but must be a duration*")]
    [InlineData("""{ "DefaultEntryOptions": { "Expiration": "24:00:00" } }""", "*:Expiration' is '24:00:00', but must be a duration*")]
    [InlineData("""{ "DefaultEntryOptions": { "Expiration": "" } }""", "*:Expiration' is '', but must be a duration*")]
    [InlineData("""{ "DefaultEntryOptions": { "Expiration": { "Minutes": 5 } } }""", "*:Expiration' is a section, but must be a duration*")]
    [InlineData("""{ "DefaultEntryOptions": { "SlidingExpiration": "00:00:00" } }""", "*:SlidingExpiration' is '00:00:00', but must be a duration*, and greater than zero.")]
    [InlineData("""{ "DefaultEntryOptions": { "SoftTimeout": "00:00:00" } }""", "*:SoftTimeout' is '00:00:00', but must be a duration*, and greater than zero.")]
    [InlineData("""{ "DefaultEntryOptions": { "HardTimeout": "-00:00:01" } }""", "*:HardTimeout' is '-00:00:01', but must be a duration*, and greater than zero.")]
    [InlineData(
        """{ "DefaultEntryOptions": { "SoftTimeout": "00:00:10", "HardTimeout": "00:00:05" } }""",
        "Configuration 'CacheKit:DefaultEntryOptions:SoftTimeout' must be at most HardTimeout, but that is 00:00:05, and this 00:00:10.")]
    [InlineData("""{ "DefaultEntryOptions": { "Jitter": "-00:00:01" } }""", "*:Jitter' is '-00:00:01', but must be a duration*, and zero or more.")]
    [InlineData("""{ "DefaultEntryOptions": { "StaleFor": "-00:00:01" } }""", "*:StaleFor' is '-00:00:01', but must be a duration*, and zero or more.")]
    [InlineData("""{ "DefaultEntryOptions": { "RetryAfterFailure": "-00:00:01" } }""", "*:RetryAfterFailure' is '-00:00:01', but must be a duration*, and zero or more.")]
    [InlineData("""{ "DefaultEntryOptions": { "Size": -1 } }""", "*:Size' is '-1', but must be a whole number, such as 10000, and zero or more.")]
    [InlineData("""{ "DefaultEntryOptions": { "RefreshAheadThreshold": 1 } }""", "*:RefreshAheadThreshold' is '1', but must be a number, such as 0.8, and greater than 0 and less than 1.")]
    [InlineData("""{ "DefaultEntryOptions": { "RefreshAheadThreshold": "0,8" } }""", "*:RefreshAheadThreshold' is '0,8', but must be a number*")]
    [InlineData("""{ "DefaultEntryOptions": { "Isolate": "yes" } }""", "*:Isolate' is 'yes', but must be true or false.")]
    [InlineData("""{ "DefaultEntryOptions": { "Tags": "a" } }""", "*:Tags' is 'a', which is one value, but must be a list.")]
    [InlineData("""{ "DefaultEntryOptions": { "Tags": [ "a", "*" ] } }""", "*:Tags:1' is '*', which cannot stand here: '*' is not a tag. To remove every entry, call ClearAsync.")]
    [InlineData("""{ "DefaultEntryOptions": { "Tags": [ { "a": 1 } ] } }""", "*:Tags:0' is a section, but must be a text.")]
    [InlineData("""{ "DefaultEntryOptions": "00:05:00" }""", "*:DefaultEntryOptions' is '00:05:00', which is one value, but must be a section with options in it.")]
    [InlineData("""{ "Serialization": { "CompressionThreshold": -1 } }""", "*:CompressionThreshold' is '-1', but must be a whole number, such as 10000, and from 0 to 2,147,483,647.")]
    [InlineData("""{ "Serialization": { "MaximumDecompressedBytes": 5 } }""", "*:MaximumDecompressedBytes' is '5', but must be a whole number, such as 10000, and from 1,024 to 2,147,483,647.")]
    [InlineData("""{ "Serialization": { "Encryption": "x" } }""", "Configuration 'CacheKit:Serialization:Encryption' cannot be set here: Encryption can only be set in code.")]
    [InlineData("""{ "TypeMismatch": "Mis" }""", "Configuration 'CacheKit:TypeMismatch' is 'Mis', but must be one of Throw, Miss.")]
    [InlineData("""{ "TypeMismatch": 1 }""", "Configuration 'CacheKit:TypeMismatch' is '1', but must be one of Throw, Miss.")]
    [InlineData("""{ "Memory": { "MaximumEntries": "10_000" } }""", "*:MaximumEntries' is '10_000', but must be a whole number, such as 10000, and from 1 to 1,000,000,000.")]
    [InlineData("""{ "DefaultEntryOptions": { "Expiration": "00:00:00" } }""", "*:Expiration' is '00:00:00', but must be a duration*, and greater than zero.")]
    [InlineData("""{ "Memory": { "MaximumEntries": 0 } }""", "Configuration 'CacheKit:Memory:MaximumEntries' is '0', but must be a whole number, such as 10000, and from 1 to 1,000,000,000.")]
    [InlineData("""{ "Memory": { "MaximumBytes": 1000 } }""", "*:MaximumBytes' is '1000', but must be a whole number, such as 10000, and at least 1,024.")]
    [InlineData("""{ "Memory": { "MemoryPressureShare": 1.5 } }""", "*:MemoryPressureShare' is '1.5', but must be a number, such as 0.8, and greater than 0 and at most 1.")]
    [InlineData("""{ "Memory": { "MemoryPressureShare": "NaN" } }""", "*:MemoryPressureShare' is 'NaN', but must be a number*")]
    [InlineData("""{ "Memory": { "MaintenanceInterval": "02:00:00" } }""", "*:MaintenanceInterval' is '02:00:00', but must be a duration*, and from 0:00:00.01 to 1:00:00.")]
    [InlineData("""{ "Disk": { "MaximumBytes": 1000 } }""", "*:Disk:MaximumBytes' is '1000', but must be a whole number, such as 10000, and from 16,777,216 (16 MiB) to 1,099,511,627,776 (1 TiB).")]
    [InlineData("""{ "Disk": { "ExpectedEntryBytes": 1 } }""", "*:ExpectedEntryBytes' is '1', but must be a whole number, such as 10000, and from 64 to 67,108,864.")]
    [InlineData("""{ "Disk": { "ExpectedTags": 1 } }""", "*:ExpectedTags' is '1', but must be a whole number, such as 10000, and from 100 to 10,000,000.")]
    [InlineData("""{ "Memory": { "MaximumEntries": 1e5 } }""", "*:MaximumEntries' is '1e5', but must be a whole number, such as 10000, and from 1 to 1,000,000,000.")]
    public void A_mistake_is_told_with_its_path_its_value_and_what_was_probably_meant(string json, string error)
    {
        using var provider = Bind(json);
        ErrorsOf(provider).Should().ContainSingle().Which.Should().Match(error);
    }

    [Fact]
    public void An_unknown_name_is_answered_with_all_that_are_known_nearest_first()
    {
        using var provider = Bind("""{ "DefaultEntryOptions": { "JitterX": "00:00:01" } }""");
        var known = ErrorsOf(provider).Should().ContainSingle().Which.Split("Known here: ")[1].TrimEnd('.').Split(", ");
        known[0].Should().Be("Jitter");
        known.Should().BeEquivalentTo(EntryOptionNames.Split(", "));
    }

    [Fact]
    public void All_mistakes_are_told_at_once()
    {
        using var provider = Bind("""{ "DefaultEntryOptions": { "Size": "big", "Staleness": 1 }, "TypeMismatch": "x" }""");
        ErrorsOf(provider).Should().HaveCount(3);
        using var memory = Bind("""{ "Memory": { "MaximumEntrys": 5, "MaximumEntries": 0, "MemoryPressureShare": 7 } }""");
        ErrorsOf(memory).Should().HaveCount(3, "a name that is misspelt hides no number that is out of range");
    }

    [Fact]
    public void A_soft_timeout_from_code_and_a_hard_one_from_the_section_must_fit_together()
    {
        using var provider = new ServiceCollection().AddCacheKit(cache => cache
            .WithDefaults(new() { SoftTimeout = TimeSpan.FromSeconds(10) })
            .Bind(Section("""{ "DefaultEntryOptions": { "HardTimeout": "00:00:05" } }"""))).BuildServiceProvider();
        ErrorsOf(provider).Should().ContainSingle().Which.Should().EndWith(":HardTimeout' must be at least SoftTimeout, but that is 00:00:10, and this 00:00:05.");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Mistakes_in_all_sections_are_told_at_once_and_each_once(bool hasHost)
    {
        var section = Section("""
            {
                "DefaultEntryOptions": { "Size": -1 },
                "Memory": { "MaximumEntries": 0, "MaximumBytes": 1 },
                "Disk": { "MaximumBytes": 1, "ExpectedTags": 1 },
                "Mine": { "Number": "x" }
            }
            """);
        using var host = HostWith(section, cache => cache.UseDisk("unused"));
        var told = await MistakesOfAsync(host, hasHost);
        told.Should().HaveCount(6);
        foreach (var mistake in new[] { "DefaultEntryOptions:Size' is '-1'", "Memory:MaximumEntries' is '0'", "Memory:MaximumBytes' is '1'", "Disk:MaximumBytes' is '1'", "Disk:ExpectedTags' is '1'", "Mine' is wrong" })
        {
            told.Should().ContainSingle(error => error.Contains($"'CacheKit:{mistake}"));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_mistake_in_the_section_of_a_store_is_told_once(bool hasHost)
    {
        using var host = HostWith(Section("""{ "Mine": { "Number": "x" } }"""), static _ => { });
        (await MistakesOfAsync(host, hasHost)).Should().Equal("'CacheKit:Mine' is wrong.");
    }

    private static IHost HostWith(IConfigurationSection section, Action<CacheKitBuilder> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddCacheKit(section, cache =>
        {
            configure(cache);
            cache.UseStore<StoreOptions>(
                "Mine",
                static (section, _) => throw new OptionsValidationException("", typeof(StoreOptions), [$"'{section.Path}' is wrong."]),
                static (_, _) => throw new InvalidOperationException("It is not created."),
                static _ => new());
        });
        return builder.Build();
    }

    private static async Task<List<string>> MistakesOfAsync(IHost host, bool isStarted)
    {
        var thrown = await Record.ExceptionAsync(() => isStarted ? host.StartAsync() : Task.FromResult(host.Services.GetRequiredService<ICache>()));
        var all = thrown is AggregateException several ? several.InnerExceptions : [thrown!]; // else the next line fails
        return [.. all.Cast<OptionsValidationException>().SelectMany(static mistakes => mistakes.Failures)];
    }

    private sealed class StoreOptions;

    [Fact]
    public void A_value_in_place_of_the_section_is_a_mistake()
    {
        var section = new ConfigurationBuilder().AddInMemoryCollection([new("CacheKit", "on")]).Build().GetSection("CacheKit");
        using var provider = new ServiceCollection().AddCacheKit(section).BuildServiceProvider();
        ErrorsOf(provider).Should().OnlyContain(error => error == "Configuration 'CacheKit' is 'on', which is one value, but must be a section with options in it.");
    }

    [Fact]
    public void The_root_of_the_configuration_is_refused_at_once_since_its_other_values_may_be_secret()
    {
        var root = new ConfigurationBuilder().AddInMemoryCollection([new("Password", "secret")]).Build();
        FluentActions.Invoking(() => new ServiceCollection().AddCacheKit(root)).Should().Throw<ArgumentException>()
            .WithParameterName("section").WithMessage("*GetSection(\"CacheKit\")*");
    }

    [Fact]
    public async Task A_mistake_keeps_the_host_from_starting()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddCacheKit("products", Section("""{ "Memory": { "MaximumEntrys": 5 } }"""));
        using var host = builder.Build();
        var start = await host.Awaiting(it => it.StartAsync()).Should().ThrowAsync<OptionsValidationException>();
        start.Which.Message.Should().Contain("'CacheKit:Memory:MaximumEntrys' is '5'").And.Contain("Did you mean 'MaximumEntries'?");
        start.Which.OptionsName.Should().Be("products");
    }

    [Fact]
    public void What_contradicts_itself_is_told_wherever_the_values_came_from()
    {
        using var provider = Bind("""{ "Memory": { "MaximumEntries": 5, "MaximumBytes": 5000 } }""");
        ErrorsOf(provider).Should().ContainSingle().Which.Should().Contain("both set");
    }

    [Fact]
    public void Several_tiers_are_read_and_one_that_does_not_exist_is_told()
    {
        using var provider = Bind("""{ "DefaultEntryOptions": { "Tiers": "ReadMemory, writeMemory,ReadFar" } }""");
        provider.GetRequiredService<IOptions<CacheKitOptions>>().Value.DefaultEntryOptions.Tiers.Should().Be(CacheTiers.ReadMemory | CacheTiers.WriteMemory | CacheTiers.ReadFar);
        ErrorsOf(Bind("""{ "DefaultEntryOptions": { "Tiers": "ReadMemory, Moon" } }""")).Should().ContainSingle().Which.Should().Contain("one or several of").And.Contain("ReadMemory");
    }

    private static IConfigurationSection Section(string json)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "CacheKit": {{json}} }"""));
        return new ConfigurationBuilder().AddJsonStream(stream).Build().GetSection("CacheKit");
    }

    private static ServiceProvider Bind(string json) => new ServiceCollection().AddCacheKit(Section(json)).BuildServiceProvider();

    private static List<string> ErrorsOf(IServiceProvider provider)
    {
        List<string> errors = [];
        Collect(() => provider.GetRequiredService<IOptions<CacheKitOptions>>().Value);
        Collect(() => provider.GetRequiredService<IOptions<MemoryOptions>>().Value);
        return errors;

        void Collect(Func<object> read)
        {
            try
            {
                read();
            }
            catch (OptionsValidationException exception)
            {
                errors.AddRange(exception.Failures);
            }
        }
    }
}
