using Microsoft.Extensions.Configuration;

namespace CacheKit.DependencyInjection;

/// <summary>The sections of the configuration that a cache's options are read from, and who reads what in them.</summary>
internal sealed class BoundSections
{
    private readonly List<IConfiguration> _sections = [];
    private readonly HashSet<string> _claimed = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The names of the sections within that stores of other packages read.</summary>
    internal IReadOnlyCollection<string> Claimed => _claimed;

    internal void Add(IConfiguration section) => _sections.Add(section);

    internal void Claim(string name) => _claimed.Add(name);

    /// <summary>Reads what there is under a name, in the order in which it was bound.</summary>
    internal void Read(string name, Action<IConfigurationSection> read)
    {
        foreach (var section in _sections.Select(bound => bound.GetSection(name)).Where(static section => section.Exists()))
        {
            read(section);
        }
    }
}
