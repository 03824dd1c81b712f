namespace CacheKit.Engine.Tiers;

/// <summary>A write that is under way. Each ends once.</summary>
internal readonly record struct KeyWrite(string Key, FlightStripe Stripe, long Mark, long Stamp);
