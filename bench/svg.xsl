<?xml version="1.0" encoding="utf-8"?>
<!-- Makes a plot of gnuplot a part of a page: its colours become variables of page.css, its ids begin with the plot's name
     ($plot), and its caption describes it to readers who cannot see it. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns="http://www.w3.org/2000/svg"
    xmlns:svg="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:bench="bench"
    exclude-result-prefixes="svg xlink bench">

<xsl:output method="xml" omit-xml-declaration="yes" encoding="utf-8"/>
<xsl:strip-space elements="*"/>
<xsl:param name="plot"/>

<!-- The colours of bench/*.gp and of gnuplot itself. A colour that is not here stays as it is. -->
<bench:colours>
    <colour from="#ffffff" to="paper"/>
    <colour from="#000000" to="ink"/>
    <colour from="black" to="ink"/>
    <colour from="#dddddd" to="grid"/>
    <colour from="#d3d3d3" to="grid"/>
    <colour from="lightgrey" to="grid"/>
    <colour from="#606060" to="grey"/>
    <colour from="#0072b2" to="blue"/>
    <colour from="#56b4e9" to="sky"/>
    <colour from="#d55e00" to="vermilion"/>
    <colour from="#e69f00" to="orange"/>
    <colour from="#009e73" to="green"/>
    <colour from="#cc79a7" to="purple"/>
</bench:colours>
<xsl:variable name="colours" select="document('')/*/bench:colours/svg:colour"/>

<!-- A heat map: its cells have colours of their own, so the numbers on them keep theirs. Bars are transparent, cells are not. -->
<xsl:variable name="cells" select="//svg:g[starts-with(@id, 'gnuplot_plot_') and .//svg:polygon[not(@fill-opacity)] and not(.//svg:text)]"/>

<xsl:template match="/svg:svg">
    <svg viewBox="{@viewBox}" class="plot" role="img" aria-labelledby="{$plot}-text">
        <xsl:apply-templates select="svg:g"/>
    </svg>
</xsl:template>

<xsl:template match="svg:*">
    <xsl:element name="{local-name()}" namespace="http://www.w3.org/2000/svg">
        <xsl:apply-templates select="@*"/>
        <xsl:apply-templates select="node()"/>
    </xsl:element>
</xsl:template>

<!-- The page has a background. gnuplot leaves many groups empty, and names a curve without a title by its command. -->
<xsl:template match="svg:g[@id = 'gnuplot_canvas']/svg:rect"/>
<xsl:template match="svg:g[not(*)]"/>
<xsl:template match="svg:title"/>

<xsl:template match="@*">
    <xsl:attribute name="{local-name()}"><xsl:value-of select="."/></xsl:attribute>
</xsl:template>

<xsl:template match="@font-family"/>

<xsl:template match="@id">
    <xsl:attribute name="id"><xsl:value-of select="concat($plot, '-', .)"/></xsl:attribute>
</xsl:template>

<xsl:template match="@xlink:href">
    <xsl:attribute name="href"><xsl:value-of select="concat('#', $plot, '-', substring(., 2))"/></xsl:attribute>
</xsl:template>

<xsl:template match="@filter[starts-with(., 'url(#')]">
    <xsl:attribute name="filter"><xsl:value-of select="concat('url(#', $plot, '-', substring(., 6))"/></xsl:attribute>
</xsl:template>

<xsl:template match="@fill | @stroke | @color | @flood-color">
    <xsl:variable name="colour"><xsl:call-template name="hexadecimal"/></xsl:variable>
    <xsl:variable name="to" select="$colours[@from = $colour]/@to"/>
    <xsl:attribute name="{name()}">
        <xsl:choose>
            <xsl:when test="$to and not($cells and ancestor::svg:g[starts-with(@id, 'gnuplot_plot_')])">
                <xsl:value-of select="concat('var(--', $to, ')')"/>
            </xsl:when>
            <xsl:otherwise><xsl:value-of select="."/></xsl:otherwise>
        </xsl:choose>
    </xsl:attribute>
</xsl:template>

<!-- A colour as #rrggbb in small letters, if it is given by numbers: gnuplot writes #FFFFFF and rgb(  0, 114, 178). -->
<xsl:template name="hexadecimal">
    <xsl:variable name="numbers" select="translate(substring-before(substring-after(., 'rgb('), ')'), ' ', '')"/>
    <xsl:variable name="rest" select="substring-after($numbers, ',')"/>
    <xsl:choose>
        <xsl:when test="$numbers">
            <xsl:text>#</xsl:text>
            <xsl:call-template name="byte"><xsl:with-param name="value" select="substring-before($numbers, ',')"/></xsl:call-template>
            <xsl:call-template name="byte"><xsl:with-param name="value" select="substring-before($rest, ',')"/></xsl:call-template>
            <xsl:call-template name="byte"><xsl:with-param name="value" select="substring-after($rest, ',')"/></xsl:call-template>
        </xsl:when>
        <xsl:otherwise><xsl:value-of select="translate(., 'ABCDEF', 'abcdef')"/></xsl:otherwise>
    </xsl:choose>
</xsl:template>

<xsl:template name="byte">
    <xsl:param name="value"/>
    <xsl:variable name="digits" select="'0123456789abcdef'"/>
    <xsl:value-of select="concat(substring($digits, floor($value div 16) + 1, 1), substring($digits, $value mod 16 + 1, 1))"/>
</xsl:template>

</xsl:stylesheet>
