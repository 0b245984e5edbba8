<?xml version="1.0" encoding="utf-8"?>
<!-- Makes docs/figures.md, as cmark-gfm renders it, a part of a page: its headings are one level lower and have the ids that
     GitHub gives them, and links to other pages are text. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">

<xsl:output method="xml" omit-xml-declaration="yes" encoding="utf-8"/>

<xsl:template match="/page">
    <xsl:apply-templates/>
</xsl:template>

<xsl:template match="@* | node()">
    <xsl:copy><xsl:apply-templates select="@* | node()"/></xsl:copy>
</xsl:template>

<xsl:template match="h1">
    <h2 id="definitions"><xsl:apply-templates/></h2>
</xsl:template>

<xsl:template match="h2">
    <h3 id="{translate(., &quot;ABCDEFGHIJKLMNOPQRSTUVWXYZ '&quot;, 'abcdefghijklmnopqrstuvwxyz-')}"><xsl:apply-templates/></h3>
</xsl:template>

<xsl:template match="a">
    <xsl:apply-templates/>
</xsl:template>

</xsl:stylesheet>
